//go:build arm64 && !purego

#include "textflag.h"
#include "instructions_arm64.h"
#include "loops_arm64.h"

// Activations: beside the registers of quantizers V27 and V28 are the bounds
// of x * scale + shift, and V29 and V30 where it lies between them.
#define ACTIVATION_ARGUMENTS \
	MOVD dst+0(FP), R0       \
	MOVD mask+8(FP), R1      \
	MOVD x+16(FP), R2        \
	MOVD scale+24(FP), R6    \
	MOVD shift+32(FP), R7    \
	MOVD channels+40(FP), R8 \
	MOVD step+48(FP), R9     \
	MOVD p+56(FP), R3        \
	MOVD n+64(FP), R4        \
	MOVD R4, R5

// BELOW and ABOVE replace v by the bound where it is beyond it: a comparison
// with NaN is false.
#define BELOW(v, low, V, LOW) \
	FCMGT4S(6, low, v)           \
	VBIT V6.B16, LOW.B16, V.B16
#define ABOVE(v, high, V, HIGH) \
	FCMGT4S(6, v, high)          \
	VBIT V6.B16, HIGH.B16, V.B16

#define QUANTIZE_ACTIVATION(SCALE, ROUND) \
	ACTIVATION_ARGUMENTS         \
	FIELDS                       \
	FIELD(R3, 10, V27)           \
	FIELD(R3, 11, V28)           \
	COLUMNS                      \
loop:                                \
	VLD1.P 32(R2), [V0.S4, V1.S4] \
	COLUMN(R6, V6, V7)           \
	FMUL4S(0, 0, 6)              \
	FMUL4S(1, 1, 7)              \
	COLUMN(R7, V6, V7)           \
	FADD4S(0, 0, 6)              \
	FADD4S(1, 1, 7)              \
	NEXT(R8, R9)                 \
	FCMGT4S(29, 0, 27)           \
	FCMGT4S(30, 1, 27)           \
	FCMGT4S(6, 28, 0)            \
	FCMGT4S(7, 28, 1)            \
	VAND V6.B16, V29.B16, V29.B16 \
	VAND V7.B16, V30.B16, V30.B16 \
	BELOW(0, 27, V0, V27)        \
	BELOW(1, 27, V1, V27)        \
	ABOVE(0, 28, V0, V28)        \
	ABOVE(1, 28, V1, V28)        \
	CODES(SCALE, ROUND)          \
	VAND V29.B16, V4.B16, V4.B16 \
	VAND V30.B16, V5.B16, V5.B16 \
	VADD V23.S4, V2.S4, V2.S4    \
	VADD V23.S4, V3.S4, V3.S4    \
	BYTES(R0)                    \
	BITS(R1, V31, bits)          \
	SUBS $8, R5                  \
	BGT  loop                    \
	COUNT_NAN                    \
	MOVD R4, nan+72(FP)          \
	RET

// func quantizeActivationDivideEvenNEON(dst, mask *byte, x, scale, shift *float32, channels, step uintptr, p *[12]uint32, n uintptr) (nan uintptr)
TEXT ·quantizeActivationDivideEvenNEON(SB), NOSPLIT, $0-80
	QUANTIZE_ACTIVATION(FDIV4S, FCVTNS4S)

// func quantizeActivationDivideAwayNEON(dst, mask *byte, x, scale, shift *float32, channels, step uintptr, p *[12]uint32, n uintptr) (nan uintptr)
TEXT ·quantizeActivationDivideAwayNEON(SB), NOSPLIT, $0-80
	QUANTIZE_ACTIVATION(FDIV4S, FCVTAS4S)

// func quantizeActivationMultiplyEvenNEON(dst, mask *byte, x, scale, shift *float32, channels, step uintptr, p *[12]uint32, n uintptr) (nan uintptr)
TEXT ·quantizeActivationMultiplyEvenNEON(SB), NOSPLIT, $0-80
	QUANTIZE_ACTIVATION(FMUL4S, FCVTNS4S)

// func quantizeActivationMultiplyAwayNEON(dst, mask *byte, x, scale, shift *float32, channels, step uintptr, p *[12]uint32, n uintptr) (nan uintptr)
TEXT ·quantizeActivationMultiplyAwayNEON(SB), NOSPLIT, $0-80
	QUANTIZE_ACTIVATION(FMUL4S, FCVTAS4S)

// func clampNEON(dst, x *float32, low, high float32, n uintptr)
TEXT ·clampNEON(SB), NOSPLIT, $0-32
	MOVD  dst+0(FP), R0
	MOVD  x+8(FP), R1
	MOVW  low+16(FP), R2
	MOVW  high+20(FP), R3
	MOVD  n+24(FP), R4
	VDUP  R2, V27.S4
	VDUP  R3, V28.S4

loop:
	VLD1.P 32(R1), [V0.S4, V1.S4]
	BELOW(0, 27, V0, V27)
	BELOW(1, 27, V1, V27)
	ABOVE(0, 28, V0, V28)
	ABOVE(1, 28, V1, V28)
	VST1.P [V0.S4, V1.S4], 32(R0)
	SUBS   $8, R4
	BGT    loop
	RET

// func clampGradNEON(dst, dy, y *float32, low, high float32, n uintptr)
TEXT ·clampGradNEON(SB), NOSPLIT, $0-40
	MOVD  dst+0(FP), R0
	MOVD  dy+8(FP), R1
	MOVD  y+16(FP), R2
	MOVW  low+24(FP), R3
	MOVW  high+28(FP), R4
	MOVD  n+32(FP), R5
	VDUP  R3, V27.S4
	VDUP  R4, V28.S4
	VEOR  V26.B16, V26.B16, V26.B16

loop:
	VLD1.P 32(R2), [V0.S4, V1.S4]
	VLD1.P 32(R1), [V2.S4, V3.S4]
	FCMGT4S(4, 0, 27)
	FCMGT4S(5, 1, 27)
	FCMGE4S(6, 0, 28)
	FCMGE4S(7, 1, 28)
	VAND   V4.B16, V2.B16, V2.B16
	VAND   V5.B16, V3.B16, V3.B16
	VBIT   V6.B16, V26.B16, V2.B16
	VBIT   V7.B16, V26.B16, V3.B16
	VST1.P [V2.S4, V3.S4], 32(R0)
	SUBS   $8, R5
	BGT    loop
	RET
