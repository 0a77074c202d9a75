//go:build arm64 && !purego

#include "textflag.h"
#include "instructions_arm64.h"

// FIELD loads entry i of the table at R2 into all lanes of v.
#define FIELD(i, v) \
	ADD   $(4*i), R2, R20 \
	VLD1R (R20), [v.S4]

// func expNEON(y, x *float32, shift, factor float32, table *[15]uint32, n uintptr)
//
// V8 to V22 are the table, V23 is 0, V30 the shift, V31 the factor. The steps
// are those of Exp32, one by one.
TEXT ·expNEON(SB), NOSPLIT, $0-40
	MOVD  y+0(FP), R0
	MOVD  x+8(FP), R1
	FMOVS shift+16(FP), F0
	FMOVS factor+20(FP), F1
	MOVD  table+24(FP), R2
	MOVD  n+32(FP), R3
	VDUP  V0.S[0], V30.S4
	VDUP  V1.S[0], V31.S4
	FIELD(0, V8)
	FIELD(1, V9)
	FIELD(2, V10)
	FIELD(3, V11)
	FIELD(4, V12)
	FIELD(5, V13)
	FIELD(6, V14)
	FIELD(7, V15)
	FIELD(8, V16)
	FIELD(9, V17)
	FIELD(10, V18)
	FIELD(11, V19)
	FIELD(12, V20)
	FIELD(13, V21)
	FIELD(14, V22)
	VEOR  V23.B16, V23.B16, V23.B16

loop:
	VLD1.P 16(R1), [V0.S4]
	FSUB4S(0, 0, 30)
	FMUL4S(0, 0, 31)
	FMUL4S(1, 0, 8)
	FADD4S(1, 1, 9)
	FSUB4S(2, 1, 9)
	FMUL4S(3, 2, 10)
	FSUB4S(3, 0, 3)
	FMUL4S(4, 2, 11)
	FSUB4S(3, 3, 4)
	FMUL4S(4, 12, 3)
	FADD4S(4, 4, 13)
	FMUL4S(4, 4, 3)
	FADD4S(4, 4, 14)
	FMUL4S(4, 4, 3)
	FADD4S(4, 4, 15)
	FMUL4S(4, 4, 3)
	FADD4S(4, 4, 16)
	FMUL4S(4, 4, 3)
	FADD4S(4, 4, 17)
	FMUL4S(4, 4, 3)
	FMUL4S(4, 4, 3)
	FADD4S(4, 4, 3)
	FADD4S(4, 4, 18)
	VSUB   V9.S4, V1.S4, V1.S4
	SSHR4S_1(2, 1)
	VSUB   V2.S4, V1.S4, V1.S4
	VADD   V22.S4, V1.S4, V1.S4
	VADD   V22.S4, V2.S4, V2.S4
	VSHL   $23, V1.S4, V1.S4
	VSHL   $23, V2.S4, V2.S4
	FMUL4S(4, 4, 2)
	FMUL4S(4, 4, 1)
	FCMGT4S(5, 0, 19)
	VBIT   V5.B16, V21.B16, V4.B16
	FCMGT4S(5, 20, 0)
	VBIT   V5.B16, V23.B16, V4.B16
	FCMEQ4S(5, 0, 0)
	VBIF   V5.B16, V0.B16, V4.B16
	VST1.P [V4.S4], 16(R0)
	SUBS   $4, R3
	BGT    loop
	RET

// func sumNEON(sums *[16]float64, x *float32, n uintptr)
TEXT ·sumNEON(SB), NOSPLIT, $0-24
	MOVD   sums+0(FP), R0
	MOVD   x+8(FP), R1
	MOVD   n+16(FP), R3
	MOVD   R0, R2
	VLD1.P 64(R2), [V16.D2, V17.D2, V18.D2, V19.D2]
	VLD1   (R2), [V20.D2, V21.D2, V22.D2, V23.D2]

loop:
	VLD1.P 64(R1), [V0.S4, V1.S4, V2.S4, V3.S4]
	FCVTL2D(4, 0)
	FCVTL2_2D(5, 0)
	FCVTL2D(6, 1)
	FCVTL2_2D(7, 1)
	FCVTL2D(8, 2)
	FCVTL2_2D(9, 2)
	FCVTL2D(10, 3)
	FCVTL2_2D(11, 3)
	FADD2D(16, 16, 4)
	FADD2D(17, 17, 5)
	FADD2D(18, 18, 6)
	FADD2D(19, 19, 7)
	FADD2D(20, 20, 8)
	FADD2D(21, 21, 9)
	FADD2D(22, 22, 10)
	FADD2D(23, 23, 11)
	SUBS   $16, R3
	BGT    loop
	VST1.P [V16.D2, V17.D2, V18.D2, V19.D2], 64(R0)
	VST1   [V20.D2, V21.D2, V22.D2, V23.D2], (R0)
	RET

// func mostNEON(most *[4]float32, x *float32, n uintptr)
TEXT ·mostNEON(SB), NOSPLIT, $0-24
	MOVD most+0(FP), R0
	MOVD x+8(FP), R1
	MOVD n+16(FP), R3
	VLD1 (R0), [V16.S4]

loop:
	VLD1.P 16(R1), [V0.S4]
	FCMGT4S(1, 0, 16)
	VBIT   V1.B16, V0.B16, V16.B16
	SUBS   $4, R3
	BGT    loop
	VST1   [V16.S4], (R0)
	RET

// func scaleNEON(y, x *float32, factor, less, times float32, n uintptr)
TEXT ·scaleNEON(SB), NOSPLIT, $0-40
	MOVD  y+0(FP), R0
	MOVD  x+8(FP), R1
	FMOVS factor+16(FP), F0
	FMOVS less+20(FP), F1
	FMOVS times+24(FP), F2
	MOVD  n+32(FP), R3
	VDUP  V0.S[0], V16.S4
	VDUP  V1.S[0], V17.S4
	VDUP  V2.S[0], V18.S4

loop:
	VLD1.P 16(R1), [V0.S4]
	FMUL4S(0, 0, 16)
	FSUB4S(0, 0, 17)
	FMUL4S(0, 0, 18)
	VST1.P [V0.S4], 16(R0)
	SUBS   $4, R3
	BGT    loop
	RET
