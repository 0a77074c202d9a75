//go:build arm64 && !purego

#include "textflag.h"
#include "instructions_arm64.h"
#include "loops_arm64.h"

// Sums and products of codes: V24, V25 and V26 make unsigned bytes of the codes
// of a and are their zero point and scale, V27, V28 and V29 those of b. The
// others are those of quantizers.
#define PAIR_ARGUMENTS \
	MOVD dst+0(FP), R0     \
	MOVD mask+8(FP), R1    \
	MOVD a+16(FP), R2      \
	MOVD b+24(FP), R4      \
	MOVD sides+32(FP), R5  \
	MOVD p+40(FP), R3      \
	MOVD n+48(FP), R6      \
	FIELD(R5, 0, V24)      \
	FIELD(R5, 1, V25)      \
	FIELD(R5, 2, V26)      \
	FIELD(R5, 3, V27)      \
	FIELD(R5, 4, V28)      \
	FIELD(R5, 5, V29)      \
	FIELD(R3, 0, V16)      \
	FIELD(R3, 1, V17)      \
	FIELD(R3, 2, V18)      \
	FIELD(R3, 3, V19)      \
	FIELD(R3, 4, V20)      \
	FIELD(R3, 5, V21)      \
	FIELD(R3, 6, V23)      \
	BIT_WEIGHTS(V31)

// REAL loads the real numbers of 8 codes into x and y.
#define REAL(from, F, V, W, x, y, FLIP, ZERO, scale) \
	FMOVD.P 8(from), F             \
	VEOR    FLIP.B8, V.B8, V.B8    \
	VUXTL   V.B8, V.H8             \
	SXTL2_4S(y, x)                 \
	SXTL4S(x, x)                   \
	VSUB    ZERO.S4, V.S4, V.S4    \
	VSUB    ZERO.S4, W.S4, W.S4    \
	SCVTF4S(x, x)                  \
	SCVTF4S(y, y)                  \
	FMUL4S(x, x, scale)            \
	FMUL4S(y, y, scale)

#define PAIR(JOIN, SCALE) \
	PAIR_ARGUMENTS                 \
loop:                                  \
	REAL(R2, F0, V0, V1, 0, 1, V24, V25, 26) \
	REAL(R4, F6, V6, V7, 6, 7, V27, V28, 29) \
	JOIN(0, 0, 6)                  \
	JOIN(1, 1, 7)                  \
	SCALE(0, 0, 16)                \
	SCALE(1, 1, 16)                \
	FADD4S(0, 0, 17)               \
	FADD4S(1, 1, 17)               \
	FMAX4S(0, 0, 18)               \
	FMAX4S(1, 1, 18)               \
	FMIN4S(0, 0, 19)               \
	FMIN4S(1, 1, 19)               \
	FCVTNS4S(0, 0)                 \
	FCVTNS4S(1, 1)                 \
	CLAMP(20, 21)                  \
	VADD V23.S4, V2.S4, V2.S4      \
	VADD V23.S4, V3.S4, V3.S4      \
	BYTES(R0)                      \
	BITS(R1, V31, bits)            \
	SUBS $8, R6                    \
	BGT  loop                      \
	RET

// func addCodesDivideNEON(dst, mask, a, b *byte, sides *[6]uint32, p *[12]uint32, n uintptr)
TEXT ·addCodesDivideNEON(SB), NOSPLIT, $0-56
	PAIR(FADD4S, FDIV4S)

// func addCodesMultiplyNEON(dst, mask, a, b *byte, sides *[6]uint32, p *[12]uint32, n uintptr)
TEXT ·addCodesMultiplyNEON(SB), NOSPLIT, $0-56
	PAIR(FADD4S, FMUL4S)

// func mulCodesDivideNEON(dst, mask, a, b *byte, sides *[6]uint32, p *[12]uint32, n uintptr)
TEXT ·mulCodesDivideNEON(SB), NOSPLIT, $0-56
	PAIR(FMUL4S, FDIV4S)

// func mulCodesMultiplyNEON(dst, mask, a, b *byte, sides *[6]uint32, p *[12]uint32, n uintptr)
TEXT ·mulCodesMultiplyNEON(SB), NOSPLIT, $0-56
	PAIR(FMUL4S, FMUL4S)
