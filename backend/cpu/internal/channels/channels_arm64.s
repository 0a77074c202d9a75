//go:build arm64 && !purego

#include "textflag.h"
#include "instructions_arm64.h"

// func addNEON(dst, src *float32, n uintptr)
TEXT ·addNEON(SB), NOSPLIT, $0-24
	MOVD dst+0(FP), R0
	MOVD src+8(FP), R1
	MOVD n+16(FP), R2

loop:
	VLD1   (R0), [V0.S4, V1.S4]
	VLD1.P 32(R1), [V2.S4, V3.S4]
	FADD4S(0, 0, 2)
	FADD4S(1, 1, 3)
	VST1.P [V0.S4, V1.S4], 32(R0)
	SUBS   $8, R2
	BGT    loop
	RET

// func mulAddNEON(y, x, w *float32, n uintptr)
TEXT ·mulAddNEON(SB), NOSPLIT, $0-32
	MOVD y+0(FP), R0
	MOVD x+8(FP), R1
	MOVD w+16(FP), R2
	MOVD n+24(FP), R3

loop:
	VLD1   (R0), [V0.S4, V1.S4]
	VLD1.P 32(R1), [V2.S4, V3.S4]
	VLD1.P 32(R2), [V4.S4, V5.S4]
	FMUL4S(2, 2, 4)
	FMUL4S(3, 3, 5)
	FADD4S(0, 0, 2)
	FADD4S(1, 1, 3)
	VST1.P [V0.S4, V1.S4], 32(R0)
	SUBS   $8, R3
	BGT    loop
	RET

// func sumTapsNEON(y, x, w *float32, xs, ws *int, taps, n uintptr)
//
// The sums of 16 or 8 elements stay in registers for all taps; a tap is two
// loads of offsets and, of 16 elements, two of four registers.
TEXT ·sumTapsNEON(SB), NOSPLIT, $0-56
	MOVD y+0(FP), R0
	MOVD x+8(FP), R1
	MOVD w+16(FP), R2
	MOVD xs+24(FP), R3
	MOVD ws+32(FP), R4
	MOVD taps+40(FP), R5
	MOVD n+48(FP), R6
	CMP  $16, R6
	BLT  last

sixteen:
	VLD1 (R0), [V0.S4, V1.S4, V2.S4, V3.S4]
	MOVD R3, R7
	MOVD R4, R8
	MOVD R5, R9

tap16:
	MOVD.P 8(R7), R10
	MOVD.P 8(R8), R11
	ADD    R10<<2, R1, R10
	ADD    R11<<2, R2, R11
	VLD1   (R10), [V4.S4, V5.S4, V6.S4, V7.S4]
	VLD1   (R11), [V16.S4, V17.S4, V18.S4, V19.S4]
	FMUL4S(4, 4, 16)
	FMUL4S(5, 5, 17)
	FMUL4S(6, 6, 18)
	FMUL4S(7, 7, 19)
	FADD4S(0, 0, 4)
	FADD4S(1, 1, 5)
	FADD4S(2, 2, 6)
	FADD4S(3, 3, 7)
	SUB    $1, R9
	CBNZ   R9, tap16
	VST1.P [V0.S4, V1.S4, V2.S4, V3.S4], 64(R0)
	ADD    $64, R1
	ADD    $64, R2
	SUB    $16, R6
	CMP    $16, R6
	BGE    sixteen

last:
	CBZ  R6, done
	VLD1 (R0), [V0.S4, V1.S4]

tap8:
	MOVD.P 8(R3), R10
	MOVD.P 8(R4), R11
	ADD    R10<<2, R1, R10
	ADD    R11<<2, R2, R11
	VLD1   (R10), [V4.S4, V5.S4]
	VLD1   (R11), [V16.S4, V17.S4]
	FMUL4S(4, 4, 16)
	FMUL4S(5, 5, 17)
	FADD4S(0, 0, 4)
	FADD4S(1, 1, 5)
	SUB    $1, R5
	CBNZ   R5, tap8
	VST1   [V0.S4, V1.S4], (R0)

done:
	RET

// LARGER takes elements of V2 and V3 that are larger than V0 and V1, V4 and
// V5, or not equal to themselves, V6 and V7.
#define LARGER \
	FCMGT4S(4, 2, 0)             \
	FCMGT4S(5, 3, 1)             \
	FCMEQ4S(6, 2, 2)             \
	FCMEQ4S(7, 3, 3)             \
	VBIT V4.B16, V2.B16, V0.B16  \
	VBIT V5.B16, V3.B16, V1.B16  \
	VBIF V6.B16, V2.B16, V0.B16  \
	VBIF V7.B16, V3.B16, V1.B16

// func largerNEON(best, x *float32, n uintptr)
TEXT ·largerNEON(SB), NOSPLIT, $0-24
	MOVD best+0(FP), R0
	MOVD x+8(FP), R1
	MOVD n+16(FP), R2

loop:
	VLD1   (R0), [V0.S4, V1.S4]
	VLD1.P 32(R1), [V2.S4, V3.S4]
	LARGER
	VST1.P [V0.S4, V1.S4], 32(R0)
	SUBS   $8, R2
	BGT    loop
	RET

// func largerAtNEON(best *float32, where *int32, x *float32, n uintptr, position int32)
TEXT ·largerAtNEON(SB), NOSPLIT, $0-36
	MOVD best+0(FP), R0
	MOVD where+8(FP), R1
	MOVD x+16(FP), R2
	MOVD n+24(FP), R3
	MOVW position+32(FP), R4
	VDUP R4, V31.S4

loop:
	VLD1   (R0), [V0.S4, V1.S4]
	VLD1.P 32(R2), [V2.S4, V3.S4]
	VLD1   (R1), [V16.S4, V17.S4]
	LARGER
	VBIT   V4.B16, V31.B16, V16.B16
	VBIT   V5.B16, V31.B16, V17.B16
	VBIF   V6.B16, V31.B16, V16.B16
	VBIF   V7.B16, V31.B16, V17.B16
	VST1.P [V0.S4, V1.S4], 32(R0)
	VST1.P [V16.S4, V17.S4], 32(R1)
	SUBS   $8, R3
	BGT    loop
	RET

// func largerInt8NEON(best, x *byte, n uintptr)
TEXT ·largerInt8NEON(SB), NOSPLIT, $0-24
	MOVD best+0(FP), R0
	MOVD x+8(FP), R1
	MOVD n+16(FP), R2

loop:
	FMOVQ   (R0), F0
	FMOVQ.P 16(R1), F1
	SMAX16B(0, 0, 1)
	FMOVQ.P F0, 16(R0)
	SUBS    $16, R2
	BGT     loop
	RET

// func largerUint8NEON(best, x *byte, n uintptr)
TEXT ·largerUint8NEON(SB), NOSPLIT, $0-24
	MOVD best+0(FP), R0
	MOVD x+8(FP), R1
	MOVD n+16(FP), R2

loop:
	FMOVQ   (R0), F0
	FMOVQ.P 16(R1), F1
	UMAX16B(0, 0, 1)
	FMOVQ.P F0, 16(R0)
	SUBS    $16, R2
	BGT     loop
	RET

#define LARGER_AT(GREATER, MAX) \
	FMOVD   (R0), F0             \
	FMOVD.P 8(R2), F1            \
	VLD1    (R1), [V16.S4, V17.S4] \
	GREATER(2, 1, 0)             \
	MAX(0, 0, 1)                 \
	SXTL8H(2, 2)                 \
	SXTL2_4S(3, 2)               \
	SXTL4S(2, 2)                 \
	VBIT    V2.B16, V31.B16, V16.B16 \
	VBIT    V3.B16, V31.B16, V17.B16 \
	FMOVD.P F0, 8(R0)            \
	VST1.P  [V16.S4, V17.S4], 32(R1)

// func largerInt8AtNEON(best *byte, where *int32, x *byte, n uintptr, position int32)
TEXT ·largerInt8AtNEON(SB), NOSPLIT, $0-36
	MOVD best+0(FP), R0
	MOVD where+8(FP), R1
	MOVD x+16(FP), R2
	MOVD n+24(FP), R3
	MOVW position+32(FP), R4
	VDUP R4, V31.S4

loop:
	LARGER_AT(CMGT8B, SMAX8B)
	SUBS $8, R3
	BGT  loop
	RET

// func largerUint8AtNEON(best *byte, where *int32, x *byte, n uintptr, position int32)
TEXT ·largerUint8AtNEON(SB), NOSPLIT, $0-36
	MOVD best+0(FP), R0
	MOVD where+8(FP), R1
	MOVD x+16(FP), R2
	MOVD n+24(FP), R3
	MOVW position+32(FP), R4
	VDUP R4, V31.S4

loop:
	LARGER_AT(CMHI8B, UMAX8B)
	SUBS $8, R3
	BGT  loop
	RET
