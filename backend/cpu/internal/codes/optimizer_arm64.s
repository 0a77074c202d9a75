//go:build arm64 && !purego

#include "textflag.h"
#include "instructions_arm64.h"
#include "loops_arm64.h"

// func sgdNEON(param, grad, velocity *float32, factors *[3]float32, nesterov bool, n uintptr)
//
// V16 is the rate, V17 the momentum, V18 the decay.
TEXT ·sgdNEON(SB), NOSPLIT, $0-48
	MOVD  param+0(FP), R0
	MOVD  grad+8(FP), R1
	MOVD  velocity+16(FP), R2
	MOVD  factors+24(FP), R3
	MOVBU nesterov+32(FP), R4
	MOVD  n+40(FP), R5
	FIELD(R3, 0, V16)
	FIELD(R3, 1, V17)
	FIELD(R3, 2, V18)

loop:
	VLD1   (R0), [V0.S4, V1.S4]
	VLD1.P 32(R1), [V2.S4, V3.S4]
	FMUL4S(4, 18, 0)
	FMUL4S(5, 18, 1)
	FADD4S(2, 4, 2)
	FADD4S(3, 5, 3)
	CBZ    R2, step
	VLD1   (R2), [V6.S4, V7.S4]
	FMUL4S(6, 17, 6)
	FMUL4S(7, 17, 7)
	FADD4S(6, 6, 2)
	FADD4S(7, 7, 3)
	VST1.P [V6.S4, V7.S4], 32(R2)
	CBZ    R4, plain
	FMUL4S(6, 17, 6)
	FMUL4S(7, 17, 7)
	FADD4S(6, 2, 6)
	FADD4S(7, 3, 7)

plain:
	VORR V6.B16, V6.B16, V2.B16
	VORR V7.B16, V7.B16, V3.B16

step:
	FMUL4S(2, 16, 2)
	FMUL4S(3, 16, 3)
	FSUB4S(0, 0, 2)
	FSUB4S(1, 1, 3)
	VST1.P [V0.S4, V1.S4], 32(R0)
	SUBS   $8, R5
	BGT    loop
	RET

// func adamNEON(param, grad, first, second *float32, factors *AdamFactors, n uintptr)
//
// V16 to V23 are the factors in their order. V24 and V25 are w, V0 and V1 the
// moments, V2 and V3 d.
TEXT ·adamNEON(SB), NOSPLIT, $0-48
	MOVD param+0(FP), R0
	MOVD grad+8(FP), R1
	MOVD first+16(FP), R2
	MOVD second+24(FP), R3
	MOVD factors+32(FP), R4
	MOVD n+40(FP), R5
	FIELD(R4, 0, V16)
	FIELD(R4, 1, V17)
	FIELD(R4, 2, V18)
	FIELD(R4, 3, V19)
	FIELD(R4, 4, V20)
	FIELD(R4, 5, V21)
	FIELD(R4, 6, V22)
	FIELD(R4, 7, V23)

loop:
	VLD1   (R0), [V24.S4, V25.S4]
	VLD1.P 32(R1), [V2.S4, V3.S4]
	FMUL4S(24, 24, 16)
	FMUL4S(25, 25, 16)
	FMUL4S(4, 17, 24)
	FMUL4S(5, 17, 25)
	FADD4S(2, 2, 4)
	FADD4S(3, 3, 5)
	VLD1   (R2), [V0.S4, V1.S4]
	FSUB4S(4, 2, 0)
	FSUB4S(5, 3, 1)
	FMUL4S(4, 18, 4)
	FMUL4S(5, 18, 5)
	FADD4S(0, 0, 4)
	FADD4S(1, 1, 5)
	VST1.P [V0.S4, V1.S4], 32(R2)
	FMUL4S(0, 21, 0)
	FMUL4S(1, 21, 1)
	VLD1   (R3), [V4.S4, V5.S4]
	FMUL4S(4, 19, 4)
	FMUL4S(5, 19, 5)
	FMUL4S(6, 20, 2)
	FMUL4S(7, 20, 3)
	FMUL4S(6, 6, 2)
	FMUL4S(7, 7, 3)
	FADD4S(4, 4, 6)
	FADD4S(5, 5, 7)
	VST1.P [V4.S4, V5.S4], 32(R3)
	FSQRT4S(4, 4)
	FSQRT4S(5, 5)
	FDIV4S(4, 4, 22)
	FDIV4S(5, 5, 22)
	FADD4S(4, 4, 23)
	FADD4S(5, 5, 23)
	FDIV4S(0, 0, 4)
	FDIV4S(1, 1, 5)
	FSUB4S(24, 24, 0)
	FSUB4S(25, 25, 1)
	VST1.P [V24.S4, V25.S4], 32(R0)
	SUBS   $8, R5
	BGT    loop
	RET
