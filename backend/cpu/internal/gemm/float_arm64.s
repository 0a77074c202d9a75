//go:build arm64 && !purego

#include "textflag.h"
#include "instructions_arm64.h"

// Tiles of float32 sums, one running sum an element: an element of A, lane 0
// of a register, times 4 elements of a row of B. In the tile of 6 x 16 a step
// of k is 24 fused multiply-adds beside 8 loads.
//
// Arguments, the same for all: passes tiles below each other, at least 1; k at
// least 1; strides in bytes. Registers:
//
//	R0 passes left    R5 B                   R10 C, row by row  R21, R22 blocks, left
//	R1 k              R6 rsB                 R11 B, moving      R23, R24 start of a block
//	R2 A of the pass  R7 blocks              R12 steps left     R25 rows of a pass
//	R3 rsA            R8 ldc                 R13 offset in A
//	R4 csA            R9 whether C is added  R14..R17, R19, R20 rows of A
//
// V28..V31 are elements of A, V24..V27 those of B.

#define ARGUMENTS \
	MOVD  passes+0(FP), R0 \
	MOVD  k+8(FP), R1      \
	MOVD  a+16(FP), R2     \
	MOVD  rsA+24(FP), R3   \
	MOVD  csA+32(FP), R4   \
	MOVD  b+40(FP), R5     \
	MOVD  rsB+48(FP), R6   \
	MOVD  c+56(FP), R10    \
	MOVD  ldc+64(FP), R8   \
	MOVBU add+72(FP), R9   \
	MOVD  blocks+80(FP), R7

#define ZERO(s) VEOR s.B16, s.B16, s.B16
#define ZERO4(s0, s1, s2, s3) \
	ZERO(s0) \
	ZERO(s1) \
	ZERO(s2) \
	ZERO(s3)

// ROW16 and ROW8 multiply an element of A by a row of B.
#define ROW16(x, s0, s1, s2, s3) \
	FMLA4S(s0, 24, x) \
	FMLA4S(s1, 25, x) \
	FMLA4S(s2, 26, x) \
	FMLA4S(s3, 27, x)
#define ROW8(x, s0, s1) \
	FMLA4S(s0, 24, x) \
	FMLA4S(s1, 25, x)

// STORE16 and STORE8 store a row of sums, added to C or not, and go to the
// next; n0 to n3 are the numbers of the registers.
#define STORE16(s0, s1, s2, s3, n0, n1, n2, n3, plain) \
	CBZ    R9, plain     \
	VLD1   (R10), [V24.S4, V25.S4, V26.S4, V27.S4] \
	FADD4S(n0, 24, n0)   \
	FADD4S(n1, 25, n1)   \
	FADD4S(n2, 26, n2)   \
	FADD4S(n3, 27, n3)   \
plain:                       \
	VST1   [s0.S4, s1.S4, s2.S4, s3.S4], (R10) \
	ADD    R8, R10
#define STORE8(s0, s1, n0, n1, plain) \
	CBZ    R9, plain     \
	VLD1   (R10), [V24.S4, V25.S4] \
	FADD4S(n0, 24, n0)   \
	FADD4S(n1, 25, n1)   \
plain:                       \
	VST1   [s0.S4, s1.S4], (R10) \
	ADD    R8, R10

// PASS starts on the blocks, BLOCK goes to the next and on its first row.
#define PASS \
	MOVD R7, R21             \
	MOVD count+88(FP), R22
#define BLOCK \
	LDP.P 16(R21), (R23, R24)  \
	ADD   R23<<2, R2, R14      \
	ADD   R24<<2, R5, R11      \
	MOVD  ZR, R13              \
	MOVD  R1, R12

#define ROWS2 \
	ADD  R3, R14, R15
#define ROWS6 \
	ROWS2             \
	ADD  R3, R15, R16 \
	ADD  R3, R16, R17 \
	ADD  R3, R17, R19 \
	ADD  R3, R19, R20

#define LOAD_B16 \
	VLD1 (R11), [V24.S4, V25.S4, V26.S4, V27.S4] \
	ADD  R6, R11
#define LOAD_B8 \
	VLD1 (R11), [V24.S4, V25.S4] \
	ADD  R6, R11

// func gemmF32Tile6x16NEON(passes, k uintptr, a *float32, rsA, csA uintptr, b *float32, rsB uintptr, c *float32, ldc uintptr, add bool, blocks *int, count uintptr)
TEXT ·gemmF32Tile6x16NEON(SB), NOSPLIT, $0-96
	ARGUMENTS
	MOVD $6, R25
	MUL  R3, R25

pass:
	PASS
	ZERO4(V0, V1, V2, V3)
	ZERO4(V4, V5, V6, V7)
	ZERO4(V8, V9, V10, V11)
	ZERO4(V12, V13, V14, V15)
	ZERO4(V16, V17, V18, V19)
	ZERO4(V20, V21, V22, V23)

block:
	BLOCK
	ROWS6

step:
	LOAD_B16
	FMOVS (R14)(R13), F28
	FMOVS (R15)(R13), F29
	FMOVS (R16)(R13), F30
	FMOVS (R17)(R13), F31
	ROW16(28, 0, 1, 2, 3)
	ROW16(29, 4, 5, 6, 7)
	FMOVS (R19)(R13), F28
	FMOVS (R20)(R13), F29
	ROW16(30, 8, 9, 10, 11)
	ROW16(31, 12, 13, 14, 15)
	ROW16(28, 16, 17, 18, 19)
	ROW16(29, 20, 21, 22, 23)
	ADD   R4, R13
	SUB   $1, R12
	CBNZ  R12, step
	SUB   $1, R22
	CBNZ  R22, block

	STORE16(V0, V1, V2, V3, 0, 1, 2, 3, row0)
	STORE16(V4, V5, V6, V7, 4, 5, 6, 7, row1)
	STORE16(V8, V9, V10, V11, 8, 9, 10, 11, row2)
	STORE16(V12, V13, V14, V15, 12, 13, 14, 15, row3)
	STORE16(V16, V17, V18, V19, 16, 17, 18, 19, row4)
	STORE16(V20, V21, V22, V23, 20, 21, 22, 23, row5)
	ADD  R25, R2
	SUB  $1, R0
	CBNZ R0, pass
	RET

// func gemmF32Tile2x16NEON(passes, k uintptr, a *float32, rsA, csA uintptr, b *float32, rsB uintptr, c *float32, ldc uintptr, add bool, blocks *int, count uintptr)
TEXT ·gemmF32Tile2x16NEON(SB), NOSPLIT, $0-96
	ARGUMENTS
	MOVD $2, R25
	MUL  R3, R25

pass:
	PASS
	ZERO4(V0, V1, V2, V3)
	ZERO4(V4, V5, V6, V7)

block:
	BLOCK
	ROWS2

step:
	LOAD_B16
	FMOVS (R14)(R13), F28
	FMOVS (R15)(R13), F29
	ROW16(28, 0, 1, 2, 3)
	ROW16(29, 4, 5, 6, 7)
	ADD   R4, R13
	SUB   $1, R12
	CBNZ  R12, step
	SUB   $1, R22
	CBNZ  R22, block

	STORE16(V0, V1, V2, V3, 0, 1, 2, 3, row0)
	STORE16(V4, V5, V6, V7, 4, 5, 6, 7, row1)
	ADD  R25, R2
	SUB  $1, R0
	CBNZ R0, pass
	RET

// func gemmF32Tile1x16NEON(passes, k uintptr, a *float32, rsA, csA uintptr, b *float32, rsB uintptr, c *float32, ldc uintptr, add bool, blocks *int, count uintptr)
TEXT ·gemmF32Tile1x16NEON(SB), NOSPLIT, $0-96
	ARGUMENTS
	MOVD $1, R25
	MUL  R3, R25

pass:
	PASS
	ZERO4(V0, V1, V2, V3)

block:
	BLOCK

step:
	LOAD_B16
	FMOVS (R14)(R13), F28
	ROW16(28, 0, 1, 2, 3)
	ADD   R4, R13
	SUB   $1, R12
	CBNZ  R12, step
	SUB   $1, R22
	CBNZ  R22, block

	STORE16(V0, V1, V2, V3, 0, 1, 2, 3, row0)
	ADD  R25, R2
	SUB  $1, R0
	CBNZ R0, pass
	RET

// func gemmF32Tile6x8NEON(passes, k uintptr, a *float32, rsA, csA uintptr, b *float32, rsB uintptr, c *float32, ldc uintptr, add bool, blocks *int, count uintptr)
TEXT ·gemmF32Tile6x8NEON(SB), NOSPLIT, $0-96
	ARGUMENTS
	MOVD $6, R25
	MUL  R3, R25

pass:
	PASS
	ZERO4(V0, V1, V2, V3)
	ZERO4(V4, V5, V6, V7)
	ZERO4(V8, V9, V10, V11)

block:
	BLOCK
	ROWS6

step:
	LOAD_B8
	FMOVS (R14)(R13), F28
	FMOVS (R15)(R13), F29
	FMOVS (R16)(R13), F30
	FMOVS (R17)(R13), F31
	FMOVS (R19)(R13), F26
	FMOVS (R20)(R13), F27
	ROW8(28, 0, 1)
	ROW8(29, 2, 3)
	ROW8(30, 4, 5)
	ROW8(31, 6, 7)
	ROW8(26, 8, 9)
	ROW8(27, 10, 11)
	ADD   R4, R13
	SUB   $1, R12
	CBNZ  R12, step
	SUB   $1, R22
	CBNZ  R22, block

	STORE8(V0, V1, 0, 1, row0)
	STORE8(V2, V3, 2, 3, row1)
	STORE8(V4, V5, 4, 5, row2)
	STORE8(V6, V7, 6, 7, row3)
	STORE8(V8, V9, 8, 9, row4)
	STORE8(V10, V11, 10, 11, row5)
	ADD  R25, R2
	SUB  $1, R0
	CBNZ R0, pass
	RET

// func gemmF32Tile2x8NEON(passes, k uintptr, a *float32, rsA, csA uintptr, b *float32, rsB uintptr, c *float32, ldc uintptr, add bool, blocks *int, count uintptr)
TEXT ·gemmF32Tile2x8NEON(SB), NOSPLIT, $0-96
	ARGUMENTS
	MOVD $2, R25
	MUL  R3, R25

pass:
	PASS
	ZERO4(V0, V1, V2, V3)

block:
	BLOCK
	ROWS2

step:
	LOAD_B8
	FMOVS (R14)(R13), F28
	FMOVS (R15)(R13), F29
	ROW8(28, 0, 1)
	ROW8(29, 2, 3)
	ADD   R4, R13
	SUB   $1, R12
	CBNZ  R12, step
	SUB   $1, R22
	CBNZ  R22, block

	STORE8(V0, V1, 0, 1, row0)
	STORE8(V2, V3, 2, 3, row1)
	ADD  R25, R2
	SUB  $1, R0
	CBNZ R0, pass
	RET

// func gemmF32Tile1x8NEON(passes, k uintptr, a *float32, rsA, csA uintptr, b *float32, rsB uintptr, c *float32, ldc uintptr, add bool, blocks *int, count uintptr)
TEXT ·gemmF32Tile1x8NEON(SB), NOSPLIT, $0-96
	ARGUMENTS
	MOVD $1, R25
	MUL  R3, R25

pass:
	PASS
	ZERO(V0)
	ZERO(V1)

block:
	BLOCK

step:
	LOAD_B8
	FMOVS (R14)(R13), F28
	ROW8(28, 0, 1)
	ADD   R4, R13
	SUB   $1, R12
	CBNZ  R12, step
	SUB   $1, R22
	CBNZ  R22, block

	STORE8(V0, V1, 0, 1, row0)
	ADD  R25, R2
	SUB  $1, R0
	CBNZ R0, pass
	RET

// func transposeF32x4NEON(blocks uintptr, dst *float32, dstStride uintptr, src *float32, srcStride uintptr)
TEXT ·transposeF32x4NEON(SB), NOSPLIT, $0-40
	MOVD blocks+0(FP), R0
	MOVD dst+8(FP), R1
	MOVD dstStride+16(FP), R2
	MOVD src+24(FP), R3
	MOVD srcStride+32(FP), R4
	ADD  R4, R3, R5
	ADD  R4, R5, R6
	ADD  R4, R6, R7

block:
	FMOVQ.P 16(R3), F0
	FMOVQ.P 16(R5), F1
	FMOVQ.P 16(R6), F2
	FMOVQ.P 16(R7), F3
	VZIP1   V2.S4, V0.S4, V4.S4
	VZIP2   V2.S4, V0.S4, V5.S4
	VZIP1   V3.S4, V1.S4, V6.S4
	VZIP2   V3.S4, V1.S4, V7.S4
	VZIP1   V6.S4, V4.S4, V0.S4
	VZIP2   V6.S4, V4.S4, V1.S4
	VZIP1   V7.S4, V5.S4, V2.S4
	VZIP2   V7.S4, V5.S4, V3.S4
	FMOVQ   F0, (R1)
	ADD     R2, R1
	FMOVQ   F1, (R1)
	ADD     R2, R1
	FMOVQ   F2, (R1)
	ADD     R2, R1
	FMOVQ   F3, (R1)
	ADD     R2, R1
	SUB     $1, R0
	CBNZ    R0, block
	RET
