//go:build arm64 && !purego

#include "textflag.h"
#include "instructions_arm64.h"
#include "loops_arm64.h"

// Loops over 8 elements, two registers of 4, for the 8 bits of a byte of a
// mask. n is a multiple of 8.

#define ARGUMENTS \
	MOVD dst+0(FP), R0   \
	MOVD mask+8(FP), R1  \
	MOVD x+16(FP), R2    \
	MOVD p+24(FP), R3    \
	MOVD n+32(FP), R4    \
	MOVD R4, R5

#define RESULT \
	COUNT_NAN              \
	MOVD R4, nan+40(FP)    \
	RET

#define QUANTIZE(SCALE, ROUND) \
	ARGUMENTS                    \
	FIELDS                       \
loop:                                \
	VLD1.P 32(R2), [V0.S4, V1.S4] \
	CODES(SCALE, ROUND)          \
	VADD V23.S4, V2.S4, V2.S4    \
	VADD V23.S4, V3.S4, V3.S4    \
	BYTES(R0)                    \
	BITS(R1, V31, bits)          \
	SUBS $8, R5                  \
	BGT  loop                    \
	RESULT

#define FAKE_QUANTIZE(SCALE, ROUND) \
	ARGUMENTS                    \
	FIELDS                       \
loop:                                \
	VLD1.P 32(R2), [V0.S4, V1.S4] \
	CODES(SCALE, ROUND)          \
	VSUB V24.S4, V2.S4, V2.S4    \
	VSUB V24.S4, V3.S4, V3.S4    \
	SCVTF4S(2, 2)                \
	SCVTF4S(3, 3)                \
	FMUL4S(2, 2, 25)             \
	FMUL4S(3, 3, 25)             \
	VST1.P [V2.S4, V3.S4], 32(R0) \
	BITS(R1, V31, bits)          \
	SUBS $8, R5                  \
	BGT  loop                    \
	RESULT

// Requantization: V20 lo, V21 hi, V23 after, V31 weights of bits.
#define SUMS(p) \
	FIELD(p, 4, V20)  \
	FIELD(p, 5, V21)  \
	FIELD(p, 6, V23)  \
	BIT_WEIGHTS(V31)  \
	COLUMNS

#define ADD_COLUMN(base) \
	COLUMN(base, V6, V7)         \
	VADD   V6.S4, V0.S4, V0.S4   \
	VADD   V7.S4, V1.S4, V1.S4

#define STORE_CODES(dst, mask) \
	CLAMP(20, 21)                \
	VADD   V23.S4, V2.S4, V2.S4  \
	VADD   V23.S4, V3.S4, V3.S4  \
	BYTES(dst)                   \
	BITS(mask, V31, bits)

#define FIXED_ARGUMENTS \
	MOVD dst+0(FP), R0        \
	MOVD mask+8(FP), R1       \
	MOVD acc+16(FP), R2       \
	MOVD add+24(FP), R3       \
	MOVD m+32(FP), R4         \
	MOVD left+40(FP), R5      \
	MOVD right+48(FP), R6     \
	MOVD p+56(FP), R7         \
	MOVD channels+64(FP), R8  \
	MOVD step+72(FP), R9      \
	MOVD n+80(FP), R10        \
	SUMS(R7)

// func quantizeDivideEvenNEON(dst, mask *byte, x *float32, p *[12]uint32, n uintptr) (nan uintptr)
TEXT ·quantizeDivideEvenNEON(SB), NOSPLIT, $0-48
	QUANTIZE(FDIV4S, FCVTNS4S)

// func quantizeDivideAwayNEON(dst, mask *byte, x *float32, p *[12]uint32, n uintptr) (nan uintptr)
TEXT ·quantizeDivideAwayNEON(SB), NOSPLIT, $0-48
	QUANTIZE(FDIV4S, FCVTAS4S)

// func quantizeMultiplyEvenNEON(dst, mask *byte, x *float32, p *[12]uint32, n uintptr) (nan uintptr)
TEXT ·quantizeMultiplyEvenNEON(SB), NOSPLIT, $0-48
	QUANTIZE(FMUL4S, FCVTNS4S)

// func quantizeMultiplyAwayNEON(dst, mask *byte, x *float32, p *[12]uint32, n uintptr) (nan uintptr)
TEXT ·quantizeMultiplyAwayNEON(SB), NOSPLIT, $0-48
	QUANTIZE(FMUL4S, FCVTAS4S)

// func fakeQuantizeDivideEvenNEON(dst *float32, mask *byte, x *float32, p *[12]uint32, n uintptr) (nan uintptr)
TEXT ·fakeQuantizeDivideEvenNEON(SB), NOSPLIT, $0-48
	FAKE_QUANTIZE(FDIV4S, FCVTNS4S)

// func fakeQuantizeDivideAwayNEON(dst *float32, mask *byte, x *float32, p *[12]uint32, n uintptr) (nan uintptr)
TEXT ·fakeQuantizeDivideAwayNEON(SB), NOSPLIT, $0-48
	FAKE_QUANTIZE(FDIV4S, FCVTAS4S)

// func fakeQuantizeMultiplyEvenNEON(dst *float32, mask *byte, x *float32, p *[12]uint32, n uintptr) (nan uintptr)
TEXT ·fakeQuantizeMultiplyEvenNEON(SB), NOSPLIT, $0-48
	FAKE_QUANTIZE(FMUL4S, FCVTNS4S)

// func fakeQuantizeMultiplyAwayNEON(dst *float32, mask *byte, x *float32, p *[12]uint32, n uintptr) (nan uintptr)
TEXT ·fakeQuantizeMultiplyAwayNEON(SB), NOSPLIT, $0-48
	FAKE_QUANTIZE(FMUL4S, FCVTAS4S)

// func requantizeNEON(dst, mask *byte, acc, add *int32, m *float32, p *[12]uint32, channels, step, n uintptr)
TEXT ·requantizeNEON(SB), NOSPLIT, $0-72
	MOVD dst+0(FP), R0
	MOVD mask+8(FP), R1
	MOVD acc+16(FP), R2
	MOVD add+24(FP), R3
	MOVD m+32(FP), R4
	MOVD p+40(FP), R5
	MOVD channels+48(FP), R6
	MOVD step+56(FP), R7
	MOVD n+64(FP), R8
	SUMS(R5)
	FIELD(R5, 2, V18)
	FIELD(R5, 3, V19)

loop:
	VLD1.P 32(R2), [V0.S4, V1.S4]
	ADD_COLUMN(R3)
	SCVTF4S(0, 0)
	SCVTF4S(1, 1)
	COLUMN(R4, V6, V7)
	FMUL4S(0, 0, 6)
	FMUL4S(1, 1, 7)
	FMAX4S(0, 0, 18)
	FMAX4S(1, 1, 18)
	FMIN4S(0, 0, 19)
	FMIN4S(1, 1, 19)
	FCVTNS4S(0, 0)
	FCVTNS4S(1, 1)
	STORE_CODES(R0, R1)
	NEXT(R6, R7)
	SUBS   $8, R8
	BGT    loop
	RET

// func requantizeDoubleNEON(dst, mask *byte, acc, add, m, left, right *int32, p *[12]uint32, channels, step, n uintptr)
//
// SQRDMULH is gemmlowp's high multiplication. SRSHL rounds ties up, so one is
// taken from negative numbers before they are shifted.
TEXT ·requantizeDoubleNEON(SB), NOSPLIT, $0-88
	FIXED_ARGUMENTS

loop:
	VLD1.P 32(R2), [V0.S4, V1.S4]
	ADD_COLUMN(R3)
	COLUMN(R5, V6, V7)
	SQSHL4S(0, 0, 6)
	SQSHL4S(1, 1, 7)
	COLUMN(R4, V6, V7)
	SQRDMULH4S(0, 0, 6)
	SQRDMULH4S(1, 1, 7)
	COLUMN(R6, V6, V7)
	NEG4S(6, 6)
	NEG4S(7, 7)
	VAND   V6.B16, V0.B16, V16.B16
	VAND   V7.B16, V1.B16, V17.B16
	SSHR4S_31(16, 16)
	SSHR4S_31(17, 17)
	SQADD4S(0, 0, 16)
	SQADD4S(1, 1, 17)
	SRSHL4S(0, 0, 6)
	SRSHL4S(1, 1, 7)
	STORE_CODES(R0, R1)
	NEXT(R8, R9)
	SUBS   $8, R10
	BGT    loop
	RET

// func requantizeSingleNEON(dst, mask *byte, acc, add, m, left, right *int32, p *[12]uint32, channels, step, n uintptr)
//
// The 64-bit products are shifted by the whole exponent, 1 to 62 bits, at once.
TEXT ·requantizeSingleNEON(SB), NOSPLIT, $0-88
	FIXED_ARGUMENTS
	MOVD $31, R20
	VDUP R20, V30.S4

loop:
	VLD1.P 32(R2), [V0.S4, V1.S4]
	ADD_COLUMN(R3)
	COLUMN(R4, V6, V7)
	SMULL2D(16, 0, 6)
	SMULL2_2D(17, 0, 6)
	SMULL2D(18, 1, 7)
	SMULL2_2D(19, 1, 7)
	COLUMN(R5, V0, V1)
	COLUMN(R6, V6, V7)
	VSUB   V6.S4, V0.S4, V0.S4
	VSUB   V7.S4, V1.S4, V1.S4
	VSUB   V30.S4, V0.S4, V0.S4
	VSUB   V30.S4, V1.S4, V1.S4
	SXTL2D(6, 0)
	SXTL2_2D(7, 0)
	SXTL2D(24, 1)
	SXTL2_2D(25, 1)
	SRSHL2D(16, 16, 6)
	SRSHL2D(17, 17, 7)
	SRSHL2D(18, 18, 24)
	SRSHL2D(19, 19, 25)
	SQXTN2S(0, 16)
	SQXTN2_4S(0, 17)
	SQXTN2S(1, 18)
	SQXTN2_4S(1, 19)
	STORE_CODES(R0, R1)
	NEXT(R8, R9)
	SUBS   $8, R10
	BGT    loop
	RET

// func steGradNEON(dst, dy *float32, mask *byte, n uintptr)
TEXT ·steGradNEON(SB), NOSPLIT, $0-32
	MOVD dst+0(FP), R0
	MOVD dy+8(FP), R1
	MOVD mask+16(FP), R2
	MOVD n+24(FP), R3
	BIT_WEIGHTS(V31)

loop:
	VLD1R.P 1(R2), [V4.B8]
	CMTST8B(4, 4, 31)
	SXTL8H(4, 4)
	SXTL2_4S(5, 4)
	SXTL4S(4, 4)
	VLD1.P  32(R1), [V0.S4, V1.S4]
	VAND    V4.B16, V0.B16, V0.B16
	VAND    V5.B16, V1.B16, V1.B16
	VST1.P  [V0.S4, V1.S4], 32(R0)
	SUBS    $8, R3
	BGT     loop
	RET

// func dequantizeSumsNEON(dst *float32, acc, add *int32, scale, bias *float32, channels, step, n uintptr)
TEXT ·dequantizeSumsNEON(SB), NOSPLIT, $0-64
	MOVD dst+0(FP), R0
	MOVD acc+8(FP), R1
	MOVD add+16(FP), R2
	MOVD scale+24(FP), R3
	MOVD bias+32(FP), R4
	MOVD channels+40(FP), R5
	MOVD step+48(FP), R6
	MOVD n+56(FP), R7
	COLUMNS

loop:
	VLD1.P 32(R1), [V0.S4, V1.S4]
	ADD_COLUMN(R2)
	SCVTF4S(0, 0)
	SCVTF4S(1, 1)
	COLUMN(R3, V6, V7)
	FMUL4S(0, 0, 6)
	FMUL4S(1, 1, 7)
	COLUMN(R4, V6, V7)
	FADD4S(0, 0, 6)
	FADD4S(1, 1, 7)
	VST1.P [V0.S4, V1.S4], 32(R0)
	NEXT(R5, R6)
	SUBS   $8, R7
	BGT    loop
	RET

#define DEQUANTIZE \
	SXTL2_4S(1, 0)              \
	SXTL4S(0, 0)                \
	VSUB   V16.S4, V0.S4, V0.S4 \
	VSUB   V16.S4, V1.S4, V1.S4 \
	SCVTF4S(0, 0)               \
	SCVTF4S(1, 1)               \
	FMUL4S(0, 0, 17)            \
	FMUL4S(1, 1, 17)            \
	VST1.P [V0.S4, V1.S4], 32(R0)

// func dequantizeInt8NEON(dst *float32, codes *byte, p *[12]uint32, n uintptr)
TEXT ·dequantizeInt8NEON(SB), NOSPLIT, $0-32
	MOVD dst+0(FP), R0
	MOVD codes+8(FP), R1
	MOVD p+16(FP), R2
	MOVD n+24(FP), R3
	FIELD(R2, 8, V16)
	FIELD(R2, 9, V17)

loop:
	FMOVD.P 8(R1), F0
	SXTL8H(0, 0)
	DEQUANTIZE
	SUBS    $8, R3
	BGT     loop
	RET

// func dequantizeUint8NEON(dst *float32, codes *byte, p *[12]uint32, n uintptr)
TEXT ·dequantizeUint8NEON(SB), NOSPLIT, $0-32
	MOVD dst+0(FP), R0
	MOVD codes+8(FP), R1
	MOVD p+16(FP), R2
	MOVD n+24(FP), R3
	FIELD(R2, 8, V16)
	FIELD(R2, 9, V17)

loop:
	FMOVD.P 8(R1), F0
	VUXTL   V0.B8, V0.H8
	DEQUANTIZE
	SUBS    $8, R3
	BGT     loop
	RET

// func affineNEON(dst, x, scale, shift *float32, channels, step, n uintptr)
TEXT ·affineNEON(SB), NOSPLIT, $0-56
	MOVD dst+0(FP), R0
	MOVD x+8(FP), R1
	MOVD scale+16(FP), R2
	MOVD shift+24(FP), R3
	MOVD channels+32(FP), R4
	MOVD step+40(FP), R5
	MOVD n+48(FP), R6
	COLUMNS

loop:
	VLD1.P 32(R1), [V0.S4, V1.S4]
	COLUMN(R2, V6, V7)
	FMUL4S(0, 0, 6)
	FMUL4S(1, 1, 7)
	COLUMN(R3, V6, V7)
	FADD4S(0, 0, 6)
	FADD4S(1, 1, 7)
	VST1.P [V0.S4, V1.S4], 32(R0)
	NEXT(R4, R5)
	SUBS   $8, R6
	BGT    loop
	RET

// func normGradNEON(dst, dy, x, ofDy, mean, ofX, plus *float32, channels, step, n uintptr)
TEXT ·normGradNEON(SB), NOSPLIT, $0-80
	MOVD dst+0(FP), R0
	MOVD dy+8(FP), R1
	MOVD x+16(FP), R2
	MOVD ofDy+24(FP), R3
	MOVD mean+32(FP), R4
	MOVD ofX+40(FP), R5
	MOVD plus+48(FP), R6
	MOVD channels+56(FP), R7
	MOVD step+64(FP), R8
	MOVD n+72(FP), R9
	COLUMNS

loop:
	VLD1.P 32(R1), [V0.S4, V1.S4]
	VLD1.P 32(R2), [V2.S4, V3.S4]
	COLUMN(R3, V6, V7)
	FMUL4S(0, 0, 6)
	FMUL4S(1, 1, 7)
	COLUMN(R4, V6, V7)
	FSUB4S(2, 2, 6)
	FSUB4S(3, 3, 7)
	COLUMN(R5, V6, V7)
	FMUL4S(2, 2, 6)
	FMUL4S(3, 3, 7)
	FADD4S(0, 0, 2)
	FADD4S(1, 1, 3)
	COLUMN(R6, V6, V7)
	FADD4S(0, 0, 6)
	FADD4S(1, 1, 7)
	VST1.P [V0.S4, V1.S4], 32(R0)
	NEXT(R7, R8)
	SUBS   $8, R9
	BGT    loop
	RET

// func extremesNEON(x *float32, ends *[8]float32, n uintptr) (nan uintptr)
//
// V16 and V17 are the least numbers, V18 and V19 the most; a comparison with
// NaN is false.
TEXT ·extremesNEON(SB), NOSPLIT, $0-32
	MOVD x+0(FP), R0
	MOVD ends+8(FP), R1
	MOVD n+16(FP), R2
	MOVD R2, R3
	VLD1 (R1), [V16.S4, V17.S4]
	VORR V17.B16, V17.B16, V18.B16
	VORR V17.B16, V17.B16, V19.B16
	VORR V16.B16, V16.B16, V17.B16
	VEOR V26.B16, V26.B16, V26.B16

loop:
	VLD1.P 32(R0), [V0.S4, V1.S4]
	FCMEQ4S(2, 0, 0)
	FCMEQ4S(3, 1, 1)
	FCMGT4S(4, 16, 0)
	FCMGT4S(5, 17, 1)
	FCMGT4S(6, 0, 18)
	FCMGT4S(7, 1, 19)
	VSUB   V2.S4, V26.S4, V26.S4
	VSUB   V3.S4, V26.S4, V26.S4
	VBIT   V4.B16, V0.B16, V16.B16
	VBIT   V5.B16, V1.B16, V17.B16
	VBIT   V6.B16, V0.B16, V18.B16
	VBIT   V7.B16, V1.B16, V19.B16
	SUBS   $8, R3
	BGT    loop
	FCMGT4S(4, 16, 17)
	FCMGT4S(6, 19, 18)
	VBIT   V4.B16, V17.B16, V16.B16
	VBIT   V6.B16, V19.B16, V18.B16
	VORR   V18.B16, V18.B16, V17.B16
	VST1   [V16.S4, V17.S4], (R1)
	ADDV4S(26, 26)
	VMOV   V26.S[0], R20
	SUB    R20, R2
	MOVD   R2, nan+24(FP)
	RET
