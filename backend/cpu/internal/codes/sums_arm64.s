//go:build arm64 && !purego

#include "textflag.h"
#include "instructions_arm64.h"

// Sums down 8 columns at a time.

// func momentsNEON(x *float32, rows, stride uintptr, shift, sum, square, least, most *float32, n uintptr)
//
// V0 and V1 are the shift, V2 and V3 its sums, V4 and V5 those of squares, V16
// and V17 the least and V18 and V19 the most.
TEXT ·momentsNEON(SB), NOSPLIT, $0-72
	MOVD x+0(FP), R0
	MOVD rows+8(FP), R1
	MOVD stride+16(FP), R2
	MOVD shift+24(FP), R3
	MOVD sum+32(FP), R4
	MOVD square+40(FP), R5
	MOVD least+48(FP), R6
	MOVD most+56(FP), R7
	MOVD n+64(FP), R8

columns:
	VLD1.P 32(R3), [V0.S4, V1.S4]
	VEOR   V2.B16, V2.B16, V2.B16
	VEOR   V3.B16, V3.B16, V3.B16
	VEOR   V4.B16, V4.B16, V4.B16
	VEOR   V5.B16, V5.B16, V5.B16
	VLD1   (R0), [V16.S4, V17.S4]
	VLD1   (R0), [V18.S4, V19.S4]
	MOVD   R0, R9
	MOVD   R1, R10

row:
	VLD1 (R9), [V6.S4, V7.S4]
	ADD  R2, R9
	FCMGT4S(24, 16, 6)
	FCMGT4S(25, 17, 7)
	FCMGT4S(26, 6, 18)
	FCMGT4S(27, 7, 19)
	VBIT V24.B16, V6.B16, V16.B16
	VBIT V25.B16, V7.B16, V17.B16
	VBIT V26.B16, V6.B16, V18.B16
	VBIT V27.B16, V7.B16, V19.B16
	FSUB4S(6, 6, 0)
	FSUB4S(7, 7, 1)
	FADD4S(2, 2, 6)
	FADD4S(3, 3, 7)
	FMUL4S(6, 6, 6)
	FMUL4S(7, 7, 7)
	FADD4S(4, 4, 6)
	FADD4S(5, 5, 7)
	SUB  $1, R10
	CBNZ R10, row

	VST1.P [V2.S4, V3.S4], 32(R4)
	VST1.P [V4.S4, V5.S4], 32(R5)
	VST1.P [V16.S4, V17.S4], 32(R6)
	VST1.P [V18.S4, V19.S4], 32(R7)
	ADD    $32, R0
	SUBS   $8, R8
	BGT    columns
	RET

// func productsNEON(dy, x *float32, rows, stride uintptr, mean, sum, product *float32, n uintptr)
TEXT ·productsNEON(SB), NOSPLIT, $0-64
	MOVD dy+0(FP), R0
	MOVD x+8(FP), R1
	MOVD rows+16(FP), R2
	MOVD stride+24(FP), R3
	MOVD mean+32(FP), R4
	MOVD sum+40(FP), R5
	MOVD product+48(FP), R6
	MOVD n+56(FP), R7

columns:
	VLD1.P 32(R4), [V0.S4, V1.S4]
	VEOR   V2.B16, V2.B16, V2.B16
	VEOR   V3.B16, V3.B16, V3.B16
	VEOR   V4.B16, V4.B16, V4.B16
	VEOR   V5.B16, V5.B16, V5.B16
	MOVD   R0, R8
	MOVD   R1, R9
	MOVD   R2, R10

row:
	VLD1 (R8), [V16.S4, V17.S4]
	VLD1 (R9), [V6.S4, V7.S4]
	ADD  R3, R8
	ADD  R3, R9
	FADD4S(2, 2, 16)
	FADD4S(3, 3, 17)
	FSUB4S(6, 6, 0)
	FSUB4S(7, 7, 1)
	FMUL4S(6, 6, 16)
	FMUL4S(7, 7, 17)
	FADD4S(4, 4, 6)
	FADD4S(5, 5, 7)
	SUB  $1, R10
	CBNZ R10, row

	VST1.P [V2.S4, V3.S4], 32(R5)
	VST1.P [V4.S4, V5.S4], 32(R6)
	ADD    $32, R0
	ADD    $32, R1
	SUBS   $8, R7
	BGT    columns
	RET
