#include "emulator.h"

// The instructions are bytes, as not every assembler knows them. The
// configuration is at RAX; a, b and c are at RSI, RDI and RDX, rows RCX apart.
#define LDTILECFG ".byte 0xC4,0xE2,0x78,0x49,0x00\n"
#define STTILECFG ".byte 0xC4,0xE2,0x79,0x49,0x00\n"
#define TILERELEASE ".byte 0xC4,0xE2,0x78,0x49,0xC0\n"
#define LOAD_C ".byte 0xC4,0xE2,0x7B,0x4B,0x04,0x0A\n"
#define LOAD_A ".byte 0xC4,0xE2,0x79,0x4B,0x24,0x0E\n" // TILELOADDT1
#define LOAD_B ".byte 0xC4,0xE2,0x7B,0x4B,0x34,0x0F\n"
#define STORE_C ".byte 0xC4,0xE2,0x7A,0x4B,0x04,0x0A\n"

#define EXERCISE(op)                                                                                                     \
	__asm__ volatile(LDTILECFG LOAD_C LOAD_A LOAD_B op STORE_C STTILECFG                                              \
			 :                                                                                                \
			 : "a"(config), "S"(a), "D"(b), "d"(c), "c"(64L)                                                  \
			 : "memory")

void amx_release(void) { __asm__ volatile(TILERELEASE::: "memory"); }

void amx_exercise(uint8_t *config, uint8_t *a, uint8_t *b, uint8_t *c, int op, bool keep)
{
	switch (op) {
	case 0:
		EXERCISE(".byte 0xC4,0xE2,0x4B,0x5E,0xC4\n"); // TDPBSSD
		break;
	case 1:
		EXERCISE(".byte 0xC4,0xE2,0x4A,0x5E,0xC4\n"); // TDPBSUD
		break;
	case 2:
		EXERCISE(".byte 0xC4,0xE2,0x49,0x5E,0xC4\n"); // TDPBUSD
		break;
	case 3:
		EXERCISE(".byte 0xC4,0xE2,0x48,0x5E,0xC4\n"); // TDPBUUD
		break;
	case 4:
		EXERCISE(".byte 0xC4,0xE2,0x4A,0x5C,0xC4\n"); // TDPBF16PS
		break;
	case 5:
		EXERCISE(".byte 0xC4,0xE2,0x7B,0x49,0xC0\n"); // TILEZERO
		break;
	default:
		__asm__ volatile("ud2");
	}
	if (!keep)
		amx_release();
}
