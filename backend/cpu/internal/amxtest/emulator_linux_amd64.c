#define _GNU_SOURCE
#include "emulator.h"

#include <errno.h>
#include <math.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <ucontext.h>
#include <xmmintrin.h>

// Palette 1, the only one there is.
enum { TILES = 8, ROWS = 16, COLSB = 64, MAX_K = 16, MAX_N = 64 };

struct tile {
	uint8_t row[ROWS][COLSB];
};

// The state of a thread. The configuration is kept as LDTILECFG reads it.
struct state {
	bool configured;
	uint8_t config[64];
	struct tile tile[TILES];
};

static _Thread_local struct state state __attribute__((tls_model("initial-exec")));

static struct sigaction previous;
static atomic_long in_use;
static atomic_ulong dots;

// The first violation. claimed is set by who writes it, written when it may
// be read.
static atomic_int claimed, written;
static char fault_text[256];

static void fault(const uint8_t *rip, const char *what, int n)
{
	int free = 0;
	if (!atomic_compare_exchange_strong(&claimed, &free, 1))
		return;
	snprintf(fault_text, sizeof fault_text, "%s (%d) at %p: %02x %02x %02x %02x %02x %02x", what, n, (const void *)rip,
		 rip[0], rip[1], rip[2], rip[3], rip[4], rip[5]);
	atomic_store(&written, 1);
}

int amx_fault(char *text, int size)
{
	if (!atomic_load(&written))
		return 0;
	snprintf(text, (size_t)size, "%s", fault_text);
	atomic_store(&written, 0);
	atomic_store(&claimed, 0);
	return 1;
}

long amx_in_use(void) { return atomic_load(&in_use); }
uint64_t amx_dots(void) { return atomic_load(&dots); }

static int colsb(int t) { return state.config[16 + 2 * t] | state.config[17 + 2 * t] << 8; }
static int rows(int t) { return state.config[48 + t]; }
static bool valid(int t) { return rows(t) != 0 && colsb(t) != 0; }

static void configure(bool on)
{
	if (on != state.configured)
		atomic_fetch_add(&in_use, on ? 1 : -1);
	state.configured = on;
	memset(state.tile, 0, sizeof state.tile);
	if (!on)
		memset(state.config, 0, sizeof state.config);
}

static bool all_zero(const uint8_t *p, int n)
{
	for (int i = 0; i < n; i++)
		if (p[i])
			return false;
	return true;
}

static void load_config(const uint8_t *rip, const uint8_t *memory)
{
	uint8_t c[64];
	memcpy(c, memory, sizeof c);
	if (c[0] > 1) {
		fault(rip, "#GP: LDTILECFG: no such palette", c[0]);
		return;
	}
	if (c[0] == 0) {
		configure(false);
		return;
	}
	if (!all_zero(c + 2, 14) || !all_zero(c + 32, 16) || !all_zero(c + 56, 8)) {
		fault(rip, "#GP: LDTILECFG: reserved bytes are not zero", 0);
		return;
	}
	for (int t = 0; t < TILES; t++) {
		int n = c[16 + 2 * t] | c[17 + 2 * t] << 8, r = c[48 + t];
		if (n > COLSB || r > ROWS || (n == 0) != (r == 0)) {
			fault(rip, "#GP: LDTILECFG: bad rows or columns of tile", t);
			return;
		}
	}
	configure(true);
	memcpy(state.config, c, sizeof c);
}

// start_row is where a load or store that faulted goes on; here none does.
static bool ready(const uint8_t *rip, int t)
{
	if (!state.configured)
		fault(rip, "#UD: tiles are not configured, tile", t);
	else if (!valid(t))
		fault(rip, "#UD: no valid tile", t);
	else if (state.config[1] >= rows(t))
		fault(rip, "#UD: start row behind the last row of tile", t);
	else
		return true;
	return false;
}

static void load(int t, const uint8_t *base, int64_t stride)
{
	int r = state.config[1], n = colsb(t), m = rows(t);
	memset(state.tile[t].row, 0, (size_t)r * COLSB);
	for (; r < ROWS; r++) {
		uint8_t *row = state.tile[t].row[r];
		memset(row, 0, COLSB);
		if (r < m)
			memcpy(row, base + r * stride, (size_t)n);
	}
	state.config[1] = 0;
}

static void store(int t, uint8_t *base, int64_t stride)
{
	for (int r = state.config[1]; r < rows(t); r++)
		memcpy(base + r * stride, state.tile[t].row[r], (size_t)colsb(t));
	state.config[1] = 0;
}

// c, a and b as in TDP... c, a, b.
static bool dot_ready(const uint8_t *rip, int c, int a, int b)
{
	if (c == a || a == b || c == b) {
		fault(rip, "#UD: a product needs three tiles", c);
		return false;
	}
	if (!state.configured || !valid(c) || !valid(a) || !valid(b)) {
		fault(rip, "#UD: a tile of a product is not valid", c);
		return false;
	}
	if (colsb(c) % 4 || colsb(a) % 4 || colsb(b) % 4) {
		fault(rip, "#UD: columns of a product are no whole groups of four bytes", c);
		return false;
	}
	if (colsb(c) > MAX_N || colsb(b) > MAX_N || colsb(a) / 4 > MAX_K || rows(b) > MAX_K) {
		fault(rip, "#UD: a product is too large", c);
		return false;
	}
	if (colsb(c) != colsb(b) || rows(c) != rows(a) || colsb(a) / 4 != rows(b)) {
		fault(rip, "#UD: the tiles of a product do not fit each other", c);
		return false;
	}
	return true;
}

// Rows of the result behind the last, and columns, become zero.
static void finish_dot(int c)
{
	int n = colsb(c), m = rows(c);
	for (int r = 0; r < ROWS; r++)
		memset(state.tile[c].row[r] + (r < m ? n : 0), 0, (size_t)(r < m ? COLSB - n : COLSB));
	state.config[1] = 0;
	atomic_fetch_add(&dots, 1);
}

// Bytes behind the columns of a tile are zero, so that all are multiplied;
// the compiler makes vectors of loops of a fixed length.
static void dot_bytes(int c, int a, int b, bool a_signed, bool b_signed)
{
	int k = colsb(a);
	uint32_t w[COLSB][MAX_N / 4];
	for (int p = 0; p < k; p++)
		for (int j = 0; j < MAX_N / 4; j++) {
			int v = state.tile[b].row[p / 4][4 * j + p % 4];
			w[p][j] = (uint32_t)(b_signed ? (int8_t)v : v);
		}
	for (int m = 0; m < rows(c); m++) {
		uint32_t sum[MAX_N / 4];
		memcpy(sum, state.tile[c].row[m], sizeof sum);
		for (int p = 0; p < k; p++) {
			int v = state.tile[a].row[m][p];
			uint32_t x = (uint32_t)(a_signed ? (int8_t)v : v);
			for (int j = 0; j < MAX_N / 4; j++)
				sum[j] += x * w[p][j];
		}
		memcpy(state.tile[c].row[m], sum, sizeof sum);
	}
	finish_dot(c);
}

static float from_bf16(const uint8_t *p)
{
	uint32_t bits = (uint32_t)p[0] << 16 | (uint32_t)p[1] << 24;
	float f;
	memcpy(&f, &bits, sizeof f);
	return f;
}

static void __attribute__((noinline)) sum_bf16(int c, int a, int b)
{
	int n = colsb(c) / 4, k = colsb(a) / 4;
	for (int m = 0; m < rows(c); m++) {
		float even[MAX_N / 4] = {0}, odd[MAX_N / 4] = {0}, sum[MAX_N / 4];
		for (int p = 0; p < k; p++) {
			const uint8_t *x = state.tile[a].row[m] + 4 * p, *w = state.tile[b].row[p];
			for (int j = 0; j < n; j++) {
				even[j] = fmaf(from_bf16(x), from_bf16(w + 4 * j), even[j]);
				odd[j] = fmaf(from_bf16(x + 2), from_bf16(w + 4 * j + 2), odd[j]);
			}
		}
		memcpy(sum, state.tile[c].row[m], sizeof sum);
		for (int j = 0; j < n; j++) {
			float pair = even[j] + odd[j];
			sum[j] += pair;
		}
		memcpy(state.tile[c].row[m], sum, sizeof sum);
	}
}

// Denormals are zero, rounding is to nearest even, MXCSR does not matter.
static void dot_bf16(int c, int a, int b)
{
	unsigned mxcsr = _mm_getcsr();
	_mm_setcsr(0x9FC0);
	sum_bf16(c, a, b);
	_mm_setcsr(mxcsr);
	finish_dot(c);
}

// General registers of a signal's context, by number.
static const int registers[16] = {REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP, REG_RSI, REG_RDI,
				  REG_R8,  REG_R9,  REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15};

// Executes the instruction at the context's RIP and moves RIP behind it.
// Returns false, having done nothing, when it is no tile instruction.
static bool execute(ucontext_t *context)
{
	greg_t *g = context->uc_mcontext.gregs;
	const uint8_t *rip = (const uint8_t *)(uintptr_t)g[REG_RIP];
	// VEX, map 0F38, W0, 128 bits.
	if (rip[0] != 0xC4 || (rip[1] & 0x1F) != 2 || (rip[2] & 0x84) != 0)
		return false;
	int op = rip[3];
	if (op != 0x49 && op != 0x4B && op != 0x5C && op != 0x5E)
		return false;
	bool r = !(rip[1] & 0x80), x = !(rip[1] & 0x40), b = !(rip[1] & 0x20);
	int pp = rip[2] & 3, vvvv = ~rip[2] >> 3 & 15;
	int mod = rip[4] >> 6, reg = rip[4] >> 3 & 7, rm = rip[4] & 7;
	const uint8_t *next = rip + 5;
	enum { NONE, P66, PF3, PF2 };

	if (mod == 3) {
		bool dot = op == 0x5E || (op == 0x5C && pp == PF3);
		bool zero = op == 0x49 && pp == PF2 && rm == 0 && vvvv == 0;
		bool release = op == 0x49 && pp == NONE && reg == 0 && rm == 0 && vvvv == 0;
		if (r || (dot && (b || vvvv > 7)) || !(dot || zero || release))
			return false;
		if (release) {
			configure(false);
		} else if (zero) {
			if (!state.configured || !valid(reg)) {
				fault(rip, "#UD: TILEZERO of no valid tile", reg);
			} else {
				memset(&state.tile[reg], 0, sizeof state.tile[reg]);
				state.config[1] = 0;
			}
		} else if (dot_ready(rip, reg, rm, vvvv)) {
			if (op == 0x5C)
				dot_bf16(reg, rm, vvvv);
			else
				dot_bytes(reg, rm, vvvv, pp == PF2 || pp == PF3, pp == PF2 || pp == P66);
		}
		g[REG_RIP] = (greg_t)(uintptr_t)next;
		return true;
	}

	if ((op != 0x49 && op != 0x4B) || vvvv != 0 || r)
		return false;
	bool tile = op == 0x4B;
	if (tile ? pp == NONE || rm != 4 : (pp != NONE && pp != P66) || reg != 0)
		return false; // Rows of a tile need a SIB.
	int base = rm, index = -1, scale = 0;
	if (rm == 4) {
		scale = *next >> 6;
		index = (*next >> 3 & 7) | (x ? 8 : 0);
		base = *next & 7;
		next++;
	}
	int64_t address = 0, stride = 0;
	bool no_base = mod == 0 && base == 5; // Relative to RIP, or absolute with a SIB.
	if (!no_base)
		address = g[registers[base | (b ? 8 : 0)]];
	if (index >= 0 && index != 4)
		stride = g[registers[index]] * (1 << scale);
	int32_t disp = 0;
	if (mod == 1) {
		disp = (int8_t)*next++;
	} else if (mod == 2 || no_base) {
		memcpy(&disp, next, sizeof disp);
		next += 4;
	}
	address += disp;
	if (no_base && rm != 4)
		address += (int64_t)(uintptr_t)next;
	if (!tile)
		address += stride;
	uint8_t *memory = (uint8_t *)(uintptr_t)address;
	if (!tile && pp == NONE)
		load_config(rip, memory);
	else if (!tile)
		memcpy(memory, state.config, sizeof state.config);
	else if (ready(rip, reg)) {
		if (pp == PF3)
			store(reg, memory, stride);
		else
			load(reg, memory, stride);
	}
	g[REG_RIP] = (greg_t)(uintptr_t)next;
	return true;
}

static void on_sigill(int sig, siginfo_t *info, void *context)
{
	int saved = errno;
	bool done = execute(context);
	// A signal is most of the cost of an instruction: what follows at once is
	// executed, too.
	if (done)
		while (execute(context))
			;
	errno = saved;
	if (!done && previous.sa_flags & SA_SIGINFO)
		previous.sa_sigaction(sig, info, context);
	else if (!done && previous.sa_handler != SIG_DFL && previous.sa_handler != SIG_IGN)
		previous.sa_handler(sig);
	else if (!done)
		signal(sig, SIG_DFL); // The instruction is executed again, and ends the process.
}

int amx_install(void)
{
	struct sigaction action;
	memset(&action, 0, sizeof action);
	if (sigaction(SIGILL, NULL, &previous))
		return errno;
	action.sa_sigaction = on_sigill;
	action.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_RESTART;
	action.sa_mask = previous.sa_mask; // Go's blocks all, its preemption too.
	if (sigaction(SIGILL, &action, NULL))
		return errno;
	return 0;
}
