// Barriers in shared memory, the copy engine and products of warpgroups. What
// threads write reaches the latter two behind a fence only. Not modelled: fences
// the other way, how many registers a warpgroup has, and banks.
#include <cuda.h>

#include <cstdio>

#include "block.h"
#include "driver.h"
#include "hopper_api.h"
#include "warp.h"

namespace sim {

namespace {

// Barrier is what a u64 in shared memory holds.
struct Barrier {
  uint16_t pending, arrivals;
  int32_t bytes : 31;
  uint32_t phase : 1;
};
static_assert(sizeof(Barrier) == 8, "");

Barrier* barrier_at(uint64_t* bar, bool init) {
  if (!in_shared(bar) || (uintptr_t)bar % 8) fault(misaligned, "a barrier at %p", (void*)bar);
  Worker* w = here.worker;
  w->races = false;
  if (init)
    shared_write(bar, 8);
  else
    shared_read(bar, 8);
  return (Barrier*)bar;
}

void settle(Barrier* b) {
  if (b->pending > 0 || b->bytes != 0) return;
  b->phase ^= 1;
  b->pending = b->arrivals;
  here.worker->progress++;
  for (uint16_t& s : here.worker->warp_sync) s++;  // Lanes of one warp may wait for each other here, too.
}

// Map is what cuTensorMapEncodeTiled writes.
struct Map {
  uint64_t magic, base;
  uint32_t rank, element, swizzle, box[5];
  uint32_t dims[5];
  uint64_t strides[4];
};
static_assert(sizeof(Map) <= 128, "");
constexpr uint64_t map_magic = 0x716f61676d617031ull;

const Map* map_at(const void* p, int rank) {
  const Map* m = (const Map*)p;
  if ((uintptr_t)p % 64) fault(misaligned, "a tensor map at %p, which is no multiple of 64", p);
  if (m->magic != map_magic) fault(illegal_address, "%p is no tensor map", p);
  if ((int)m->rank != rank) fault(launch_failed, "a copy of %d dimensions by a tensor map of %u", rank, m->rank);
  return m;
}

// swizzled is the place of a byte of a tile: bits of the address pick another
// 16-byte unit.
uint64_t swizzled(uint64_t at, uint32_t mode) {
  uint64_t mask = mode == 3 ? 7 : mode == 2 ? 3 : mode == 1 ? 1 : 0;
  return at ^ (at >> 7 & mask) << 4;
}

// box walks the rows of a box: f(global address or 0, offset of the row in the
// tile, bytes of it that lie inside of the tensor, first of them).
template <typename F>
void box(const Map* m, const int32_t* at, F f) {
  uint64_t row = (uint64_t)m->box[0] * m->element;
  uint32_t rows = 1;
  for (uint32_t d = 1; d < m->rank; d++) rows *= m->box[d];
  for (uint32_t r = 0; r < rows; r++) {
    bool inside = true;
    uint64_t p = m->base;
    uint32_t rest = r;
    for (uint32_t d = 1; d < m->rank; d++) {
      int64_t c = (int64_t)at[d] + rest % m->box[d];
      rest /= m->box[d];
      inside = inside && c >= 0 && c < (int64_t)m->dims[d];
      p += (uint64_t)c * m->strides[d - 1];
    }
    int64_t first = at[0] < 0 ? -(int64_t)at[0] : 0, end = (int64_t)m->dims[0] - at[0];
    if (end > (int64_t)m->box[0]) end = m->box[0];
    if (!inside || end < first) first = end = 0;
    f(p + (int64_t)at[0] * m->element, r * row, (uint64_t)first * m->element, (uint64_t)end * m->element, row);
  }
}

void load(const Transfer& t) {
  const Map* m = (const Map*)t.map;
  Worker* w = here.worker;
  uint64_t base = (uint64_t)w->shared;
  // The barrier orders it, whichever thread it happens in.
  bool warp_races = w->warp_races;
  w->warp_races = false;
  box(m, t.at, [&](uint64_t from, uint64_t offset, uint64_t first, uint64_t end, uint64_t row) {
    if (end > first) global_read((void*)(from + first), end - first);
    for (uint64_t i = 0; i < row; i++) {
      unsigned char* p = (unsigned char*)(base + swizzled((uint64_t)t.to - base + offset + i, m->swizzle));
      shared_write_async(p, 1);
      *p = i >= first && i < end ? *(unsigned char*)(from + i) : 0;
    }
  });
  w->warp_races = warp_races;
}

uint64_t box_bytes(const Map* m) {
  uint64_t n = m->element;
  for (uint32_t d = 0; d < m->rank; d++) n *= m->box[d];
  return n;
}

// finish makes the copies that a barrier waits for.
void finish(uint64_t* bar) {
  Worker* w = here.worker;
  for (size_t i = 0; i < w->transfers.size();) {
    Transfer t = w->transfers[i];
    if (t.bar != bar) {
      i++;
      continue;
    }
    w->transfers.erase(w->transfers.begin() + (long)i);
    load(t);
    Barrier* b = (Barrier*)bar;
    b->bytes = b->bytes - (int32_t)box_bytes((const Map*)t.map);
    settle(b);
  }
}

// tile reads a row of 32 bytes of an operand.
void tile_row(uint64_t descriptor, int row, unsigned char* out) {
  Worker* w = here.worker;
  uint64_t start = (descriptor & 0x3fff) << 4, stride = (descriptor >> 32 & 0x3fff) << 4;
  for (int half = 0; half < 2; half++) {
    uint64_t at = swizzled(start + (uint64_t)(row / 8) * stride + (uint64_t)(row % 8) * 128 + (uint64_t)half * 16, 3);
    if (at + 16 > shared_window) fault(illegal_address, "wgmma: row %d of a tile is outside of shared memory", row);
    shared_read_async(w->shared + at, 16, "wgmma");
    memcpy(out + half * 16, w->shared + at, 16);
  }
}

float wide(const unsigned char* p) {
  uint32_t u = (uint32_t)p[0] << 16 | (uint32_t)p[1] << 24;
  float f;
  memcpy(&f, &u, 4);
  return f;
}

void multiply(const Product128& p) {
  unsigned char a[64][32], b[256][32];
  if (p.left[0]) {
    for (int t = 0; t < 128; t++)
      for (int i = 0; i < 16; i++) a[16 * (t / 32) + t % 32 / 4 + 8 * (i / 4 % 2)][4 * (t % 4) + i % 4 + 16 * (i / 8)] = (unsigned char)(p.left[t][i / 4] >> 8 * (i % 4));
  } else {
    for (int i = 0; i < 64; i++) tile_row(p.a, i, a[i]);
  }
  for (int i = 0; i < p.n; i++) tile_row(p.b, i, b[i]);
  for (int t = 0; t < 128; t++)
    for (int i = 0; i < p.n / 2; i++) {
      int row = 16 * (t / 32) + t % 32 / 4 + 8 * (i / 2 % 2), col = 2 * (t % 4) + i % 2 + 8 * (i / 4);
      const unsigned char *x = a[row], *y = b[col];
      if (p.kind == Operand::bf16) {
        float* d = (float*)p.d[t] + i;
        double sum = p.add ? *d : 0;
        for (int k = 0; k < 16; k++) sum += (double)wide(x + 2 * k) * wide(y + 2 * k);
        *d = (float)sum;
        continue;
      }
      int32_t sum = 0;
      if (p.kind == Operand::u8)
        for (int k = 0; k < 32; k++) sum += x[k] * y[k];
      else
        for (int k = 0; k < 32; k++) sum += (int8_t)x[k] * (int8_t)y[k];
      uint32_t* d = (uint32_t*)p.d[t] + i;
      *d = (p.add ? *d : 0u) + (uint32_t)sum;
    }
}

struct Start {
  void* d;
  const uint32_t* left;
  uint64_t a, b;
  bool add;
  int n;
  Operand kind;
};

void combine_wgmma(void* const* arguments) {
  const Start* first = (const Start*)arguments[0];
  Product128 p;
  p.a = first->a, p.b = first->b, p.add = first->add, p.n = first->n, p.kind = first->kind;
  for (uint64_t d : {first->left ? p.b : p.a, p.b})
    if (d >> 62 != 1) fault(launch_failed, "wgmma: a descriptor without the 128-byte swizzle");
  unsigned group = here.linear / 128 * 128;
  for (int t = 0; t < 128; t++) {
    const Start* s = (const Start*)arguments[t];
    if (!here.worker->threads[group + (unsigned)t].fenced) fault(launch_failed, "wgmma: no wgmma_fence of thread %u between its last wgmma_wait, or its start, and this product", group + (unsigned)t);
    if (s->a != p.a || s->b != p.b || s->add != p.add || s->n != p.n || s->kind != p.kind || !s->left != !first->left) fault(launch_failed, "threads of a warpgroup differ in their wgmma");
    p.d[t] = s->d;
    p.left[t] = s->left;
  }
  Group& g = here.worker->groups[here.linear / 128];
  p.group = g.commits;
  g.products.push_back(p);
}

void combine_wait(void* const* arguments) {
  Group& g = here.worker->groups[here.linear / 128];
  uint64_t pending = (uint64_t) * (const int*)arguments[0];
  while (!g.products.empty() && g.products.front().group + pending < g.commits) {
    Product128 p = g.products.front();
    g.products.erase(g.products.begin());
    multiply(p);
  }
}

}  // namespace

void mbarrier_init(uint64_t* bar, uint32_t arrivals) {
  Barrier* b = barrier_at(bar, true);
  if (arrivals < 1 || arrivals > 0xffff) fault(launch_failed, "a barrier of %u arrivals", arrivals);
  b->pending = b->arrivals = (uint16_t)arrivals;
  b->bytes = 0;
  b->phase = 0;
}

void mbarrier_arrive(uint64_t* bar, uint32_t bytes) {
  Barrier* b = barrier_at(bar, false);
  if (b->pending == 0) fault(launch_failed, "more arrivals at a barrier than the %d it was made for", b->arrivals);
  b->bytes = b->bytes + (int32_t)bytes;
  b->pending--;
  settle(b);
}

void mbarrier_wait(uint64_t* bar, uint32_t parity) {
  Barrier* b = barrier_at(bar, false);
  for (;;) {
    if (b->phase != (parity & 1)) break;
    finish(bar);
    if (b->phase != (parity & 1)) break;
    poll();
  }
}

void tma_load(void* to, const void* map, uint64_t* bar, const int32_t* at, int rank) {
  const Map* m = map_at(map, rank);
  barrier_at(bar, false);
  if (!in_shared(to) || (uintptr_t)to % 128) fault(misaligned, "tma_load to %p, which is no multiple of 128 in shared memory", to);
  Transfer t;
  t.to = to;
  memcpy(t.map, m, sizeof *m);
  t.bar = bar;
  for (int i = 0; i < rank; i++) t.at[i] = at[i];
  here.worker->transfers.push_back(t);
}

void tma_store(const void* map, const void* from, const int32_t* at, int rank) {
  const Map* m = map_at(map, rank);
  if (!in_shared(from) || (uintptr_t)from % 128) fault(misaligned, "tma_store from %p, which is no multiple of 128 in shared memory", from);
  uint64_t base = (uint64_t)here.worker->shared;
  box(m, at, [&](uint64_t to, uint64_t offset, uint64_t first, uint64_t end, uint64_t) {
    if (end == first) return;
    global_write((void*)(to + first), end - first);
    for (uint64_t i = first; i < end; i++) {
      unsigned char* p = (unsigned char*)(base + swizzled((uint64_t)from - base + offset + i, m->swizzle));
      shared_read_async(p, 1, "tma_store");
      *(unsigned char*)(to + i) = *p;
    }
  });
}

void tma_store_wait() {}

void named_barrier(int id, int threads) {
  here.worker->races = false;
  if (id < 1 || id > 15 || threads % 32 || threads < 32) fault(launch_failed, "barrier %d of %d threads", id, threads);
  join(id, (unsigned)threads);
  here.worker->warp_sync[here.warp]++;
}

void wgmma(void* d, uint64_t a, uint64_t b, bool add, int n, Operand kind) {
  Start s{d, nullptr, a, b, add, n, kind};
  arrive_warpgroup(&s, combine_wgmma);
}

// The registers are read when the product happens, so that a change before is
// seen in the sums.
void wgmma_registers(void* d, const uint32_t* a, uint64_t b, bool add, int n, Operand kind) {
  Start s{d, a, 0, b, add, n, kind};
  arrive_warpgroup(&s, combine_wgmma);
}

void wgmma_commit() {
  if (here.linear % 128 == 0) here.worker->groups[here.linear / 128].commits++;
}

void wgmma_wait(int pending) {
  here.worker->threads[here.linear].fenced = false;
  arrive_warpgroup(&pending, combine_wait);
}

void wgmma_fence() { here.worker->threads[here.linear].fenced = true; }

void async_fence() { here.worker->threads[here.linear].fences++; }

// set_registers is setmaxnreg: all of a warpgroup, and the same number.
void set_registers(int n) {
  arrive_warpgroup(&n, [](void* const* arguments) {
    for (int t = 0; t < 128; t++)
      if (*(const int*)arguments[t] != *(const int*)arguments[0]) fault(launch_failed, "threads of a warpgroup want %d and %d registers", *(const int*)arguments[0], *(const int*)arguments[t]);
  });
}

}  // namespace sim

extern "C" CUresult cuTensorMapEncodeTiled(CUtensorMap* out, CUtensorMapDataType type, cuuint32_t rank, void* base, const cuuint64_t* dims,
                                           const cuuint64_t* strides, const cuuint32_t* box, const cuuint32_t* steps, CUtensorMapInterleave interleave,
                                           CUtensorMapSwizzle swizzle, CUtensorMapL2promotion, CUtensorMapFloatOOBfill) {
  using namespace sim;
  GOQAT_API(ignores_sticky);
  static const unsigned sizes[] = {1, 2, 4, 4, 8, 8, 2, 4, 8, 2, 4, 4, 4};
  if (rank < 1 || rank > 5 || (unsigned)type >= sizeof sizes / sizeof *sizes || (uintptr_t)out % 64 || (uint64_t)base % 16 || interleave != CU_TENSOR_MAP_INTERLEAVE_NONE)
    return CUDA_ERROR_INVALID_VALUE;
  Map m = {};
  m.magic = map_magic;
  m.base = (uint64_t)base;
  m.rank = rank;
  m.element = sizes[type];
  m.swizzle = (uint32_t)swizzle;
  for (cuuint32_t i = 0; i < rank; i++) {
    if (dims[i] < 1 || dims[i] > 0xffffffffull || box[i] < 1 || box[i] > 256 || steps[i] != 1) return CUDA_ERROR_INVALID_VALUE;
    m.dims[i] = (uint32_t)dims[i];
    m.box[i] = box[i];
    if (i > 0) {
      if (strides[i - 1] % 16 || strides[i - 1] >= 1ull << 40) return CUDA_ERROR_INVALID_VALUE;
      m.strides[i - 1] = strides[i - 1];
    }
  }
  uint64_t row = (uint64_t)m.box[0] * m.element;
  static const unsigned spans[] = {~0u, 32, 64, 128};
  if (row % 16 || (unsigned)swizzle > 3 || row > spans[swizzle]) return CUDA_ERROR_INVALID_VALUE;
  memset(out, 0, 128);
  memcpy(out, &m, sizeof m);
  return CUDA_SUCCESS;
}
