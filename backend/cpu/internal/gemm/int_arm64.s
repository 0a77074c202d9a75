//go:build arm64 && !purego

#include "textflag.h"
#include "instructions_arm64.h"

// Tiles of int32 sums of codes and packed weights, 16 channels wide. A block
// of weights, 64 bytes, has four codes for each of the channels.
//
// Arguments, the same for all: passes tiles below each other, at least 1; taps
// runs of groups groups of four codes for each row, at least 1 of both, at
// offsets from the row's first code; the second half of the rows of a tile
// begins jump bytes behind the first, the next tile next bytes behind; strides
// in bytes. Registers:
//
//	R0 passes left      R4 weights, moving     R8..R13 rows of A, moving
//	R1 groups           R5 init                R14 groups left
//	R2 A of the pass    R6 C, row by row       R15 weights
//	R3, R17 stride, jump  R7 ldc               R16, R22 offsets, taps left
//	R19 next                                   R20, R21 taps, offsets

#define ARGUMENTS \
	MOVD passes+0(FP), R0   \
	MOVD groups+8(FP), R1   \
	MOVD a+16(FP), R2       \
	MOVD stride+24(FP), R3  \
	MOVD jump+32(FP), R17   \
	MOVD next+40(FP), R19   \
	MOVD taps+48(FP), R20   \
	MOVD offsets+56(FP), R21 \
	MOVD b+64(FP), R15      \
	MOVD init+72(FP), R5    \
	MOVD c+80(FP), R6       \
	MOVD ldc+88(FP), R7

// PASS starts on the weights and the taps.
#define PASS \
	MOVD R15, R4   \
	MOVD R21, R16  \
	MOVD R20, R22

// TAP1 to TAP6 start on the run of each row at the next offset.
#define TAP1 \
	MOVD.P 8(R16), R8 \
	ADD  R2, R8       \
	MOVD R1, R14
#define TAP2 \
	TAP1              \
	ADD  R17, R8, R9
#define TAP4 \
	TAP1              \
	ADD  R3, R8, R9   \
	ADD  R17, R8, R10 \
	ADD  R3, R10, R11
#define TAP6 \
	TAP1              \
	ADD  R3, R8, R9   \
	ADD  R3, R9, R10  \
	ADD  R17, R8, R11 \
	ADD  R3, R11, R12 \
	ADD  R3, R12, R13

// ADD_INIT adds init to a row of sums.
#define ADD_INIT(s0, s1, s2, s3) \
	VADD V28.S4, s0.S4, s0.S4 \
	VADD V29.S4, s1.S4, s1.S4 \
	VADD V30.S4, s2.S4, s2.S4 \
	VADD V31.S4, s3.S4, s3.S4

// STORE stores a row of sums and goes to the next.
#define STORE(s0, s1, s2, s3) \
	VST1 [s0.S4, s1.S4, s2.S4, s3.S4], (R6) \
	ADD  R7, R6

// Without dot products: 8 codes times 8 weights are 16-bit products, which
// SADALP adds in pairs to 32-bit sums, as two products of -128 and -128 do not
// fit 16 bits. A sum of a channel is two neighbouring lanes until the end.
// Of 16 products that is 4 instructions; a block of weights is 6 loads for
// 128 of them.

#define PRODUCTS(w, x, s0, s1, t0, t1) \
	SMULL8H(t0, w, x)   \
	SMULL2_8H(t1, w, x) \
	SADALP4S(s0, t0)    \
	SADALP4S(s1, t1)

// func gemmS8Tile2x16NEON(passes, groups uintptr, a *byte, stride, jump, next, taps uintptr, offsets *int, b *byte, init, c *int32, ldc uintptr)
TEXT ·gemmS8Tile2x16NEON(SB), NOSPLIT, $0-96
	ARGUMENTS

pass:
	PASS
	VEOR V0.B16, V0.B16, V0.B16
	VEOR V1.B16, V1.B16, V1.B16
	VEOR V2.B16, V2.B16, V2.B16
	VEOR V3.B16, V3.B16, V3.B16
	VEOR V4.B16, V4.B16, V4.B16
	VEOR V5.B16, V5.B16, V5.B16
	VEOR V6.B16, V6.B16, V6.B16
	VEOR V7.B16, V7.B16, V7.B16
	VEOR V8.B16, V8.B16, V8.B16
	VEOR V9.B16, V9.B16, V9.B16
	VEOR V10.B16, V10.B16, V10.B16
	VEOR V11.B16, V11.B16, V11.B16
	VEOR V12.B16, V12.B16, V12.B16
	VEOR V13.B16, V13.B16, V13.B16
	VEOR V14.B16, V14.B16, V14.B16
	VEOR V15.B16, V15.B16, V15.B16

tap:
	TAP2

group:
	VLD1.P  64(R4), [V24.B16, V25.B16, V26.B16, V27.B16]
	VLD1R.P 4(R8), [V16.S4]
	VLD1R.P 4(R9), [V17.S4]
	PRODUCTS(24, 16, 0, 1, 18, 19)
	PRODUCTS(24, 17, 8, 9, 20, 21)
	PRODUCTS(25, 16, 2, 3, 22, 23)
	PRODUCTS(25, 17, 10, 11, 28, 29)
	PRODUCTS(26, 16, 4, 5, 30, 31)
	PRODUCTS(26, 17, 12, 13, 18, 19)
	PRODUCTS(27, 16, 6, 7, 20, 21)
	PRODUCTS(27, 17, 14, 15, 22, 23)
	SUB     $1, R14
	CBNZ    R14, group
	SUB     $1, R22
	CBNZ    R22, tap

	VLD1  (R5), [V28.S4, V29.S4, V30.S4, V31.S4]
	VADDP V1.S4, V0.S4, V0.S4
	VADDP V3.S4, V2.S4, V1.S4
	VADDP V5.S4, V4.S4, V2.S4
	VADDP V7.S4, V6.S4, V3.S4
	VADDP V9.S4, V8.S4, V8.S4
	VADDP V11.S4, V10.S4, V9.S4
	VADDP V13.S4, V12.S4, V10.S4
	VADDP V15.S4, V14.S4, V11.S4
	ADD_INIT(V0, V1, V2, V3)
	ADD_INIT(V8, V9, V10, V11)
	STORE(V0, V1, V2, V3)
	STORE(V8, V9, V10, V11)
	ADD   R19, R2
	SUB   $1, R0
	CBNZ  R0, pass
	RET

// func gemmS8Tile1x16NEON(passes, groups uintptr, a *byte, stride, jump, next, taps uintptr, offsets *int, b *byte, init, c *int32, ldc uintptr)
TEXT ·gemmS8Tile1x16NEON(SB), NOSPLIT, $0-96
	ARGUMENTS

pass:
	PASS
	VEOR V0.B16, V0.B16, V0.B16
	VEOR V1.B16, V1.B16, V1.B16
	VEOR V2.B16, V2.B16, V2.B16
	VEOR V3.B16, V3.B16, V3.B16
	VEOR V4.B16, V4.B16, V4.B16
	VEOR V5.B16, V5.B16, V5.B16
	VEOR V6.B16, V6.B16, V6.B16
	VEOR V7.B16, V7.B16, V7.B16

tap:
	TAP1

group:
	VLD1.P  64(R4), [V24.B16, V25.B16, V26.B16, V27.B16]
	VLD1R.P 4(R8), [V16.S4]
	PRODUCTS(24, 16, 0, 1, 18, 19)
	PRODUCTS(25, 16, 2, 3, 20, 21)
	PRODUCTS(26, 16, 4, 5, 22, 23)
	PRODUCTS(27, 16, 6, 7, 28, 29)
	SUB     $1, R14
	CBNZ    R14, group
	SUB     $1, R22
	CBNZ    R22, tap

	VLD1  (R5), [V28.S4, V29.S4, V30.S4, V31.S4]
	VADDP V1.S4, V0.S4, V0.S4
	VADDP V3.S4, V2.S4, V1.S4
	VADDP V5.S4, V4.S4, V2.S4
	VADDP V7.S4, V6.S4, V3.S4
	ADD_INIT(V0, V1, V2, V3)
	STORE(V0, V1, V2, V3)
	ADD   R19, R2
	SUB   $1, R0
	CBNZ  R0, pass
	RET

// With dot products: a lane of a sum takes the four products of its channel,
// 16 products an instruction. 16 codes of a row are a register, so four blocks
// of weights are 20 loads for 64 instructions in the tile of four rows.

// DOTS adds the products of a block of weights and group i of the codes in
// register x.
#define DOTS(DOT, x, i, s0, s1, s2, s3) \
	DOT(s0, 24, x, i) \
	DOT(s1, 25, x, i) \
	DOT(s2, 26, x, i) \
	DOT(s3, 27, x, i)

#define DOTS4(DOT, i) \
	VLD1.P 64(R4), [V24.B16, V25.B16, V26.B16, V27.B16] \
	DOTS(DOT, 16, i, 0, 1, 2, 3)                        \
	DOTS(DOT, 17, i, 4, 5, 6, 7)                        \
	DOTS(DOT, 18, i, 8, 9, 10, 11)                      \
	DOTS(DOT, 19, i, 12, 13, 14, 15)

#define DOT_TILE4 \
	ARGUMENTS \
pass:                      \
	PASS               \
	VLD1 (R5), [V0.S4, V1.S4, V2.S4, V3.S4]     \
	VLD1 (R5), [V4.S4, V5.S4, V6.S4, V7.S4]     \
	VLD1 (R5), [V8.S4, V9.S4, V10.S4, V11.S4]   \
	VLD1 (R5), [V12.S4, V13.S4, V14.S4, V15.S4] \
tap:                       \
	TAP4               \
	SUBS $4, R14       \
	BLT  rest          \
four:                      \
	FMOVQ.P 16(R8), F16  \
	FMOVQ.P 16(R9), F17  \
	FMOVQ.P 16(R10), F18 \
	FMOVQ.P 16(R11), F19 \
	DOTS4(DOT, 0)      \
	DOTS4(DOT, 1)      \
	DOTS4(DOT, 2)      \
	DOTS4(DOT, 3)      \
	SUBS $4, R14       \
	BGE  four          \
rest:                      \
	ADDS $4, R14       \
	BEQ  next          \
one:                       \
	FMOVS.P 4(R8), F16 \
	FMOVS.P 4(R9), F17 \
	FMOVS.P 4(R10), F18 \
	FMOVS.P 4(R11), F19 \
	DOTS4(DOT, 0)      \
	SUBS $1, R14       \
	BNE  one           \
next:                      \
	SUB  $1, R22       \
	CBNZ R22, tap      \
	STORE(V0, V1, V2, V3)     \
	STORE(V4, V5, V6, V7)     \
	STORE(V8, V9, V10, V11)   \
	STORE(V12, V13, V14, V15) \
	ADD  R19, R2       \
	SUB  $1, R0        \
	CBNZ R0, pass      \
	RET

// The four sums of a channel in the tile of one row keep the additions apart.
#define DOT_TILE1 \
	ARGUMENTS \
pass:                      \
	PASS               \
	VLD1 (R5), [V0.S4, V1.S4, V2.S4, V3.S4] \
	VEOR V4.B16, V4.B16, V4.B16    \
	VEOR V5.B16, V5.B16, V5.B16    \
	VEOR V6.B16, V6.B16, V6.B16    \
	VEOR V7.B16, V7.B16, V7.B16    \
tap:                       \
	TAP1               \
	SUBS $4, R14       \
	BLT  rest          \
four:                      \
	FMOVQ.P 16(R8), F16 \
	VLD1.P 64(R4), [V24.B16, V25.B16, V26.B16, V27.B16] \
	DOTS(DOT, 16, 0, 0, 1, 2, 3) \
	VLD1.P 64(R4), [V24.B16, V25.B16, V26.B16, V27.B16] \
	DOTS(DOT, 16, 1, 4, 5, 6, 7) \
	VLD1.P 64(R4), [V24.B16, V25.B16, V26.B16, V27.B16] \
	DOTS(DOT, 16, 2, 0, 1, 2, 3) \
	VLD1.P 64(R4), [V24.B16, V25.B16, V26.B16, V27.B16] \
	DOTS(DOT, 16, 3, 4, 5, 6, 7) \
	SUBS $4, R14       \
	BGE  four          \
rest:                      \
	ADDS $4, R14       \
	BEQ  next          \
one:                       \
	FMOVS.P 4(R8), F16 \
	VLD1.P 64(R4), [V24.B16, V25.B16, V26.B16, V27.B16] \
	DOTS(DOT, 16, 0, 0, 1, 2, 3) \
	SUBS $1, R14       \
	BNE  one           \
next:                      \
	SUB  $1, R22       \
	CBNZ R22, tap      \
	VADD V4.S4, V0.S4, V0.S4 \
	VADD V5.S4, V1.S4, V1.S4 \
	VADD V6.S4, V2.S4, V2.S4 \
	VADD V7.S4, V3.S4, V3.S4 \
	STORE(V0, V1, V2, V3)    \
	ADD  R19, R2       \
	SUB  $1, R0        \
	CBNZ R0, pass      \
	RET

#define DOT(d, n, m, i) SDOT4S(d, n, m, i)

// func gemmS8Tile4x16SDOT(passes, groups uintptr, a *byte, stride, jump, next, taps uintptr, offsets *int, b *byte, init, c *int32, ldc uintptr)
TEXT ·gemmS8Tile4x16SDOT(SB), NOSPLIT, $0-96
	DOT_TILE4

// func gemmS8Tile1x16SDOT(passes, groups uintptr, a *byte, stride, jump, next, taps uintptr, offsets *int, b *byte, init, c *int32, ldc uintptr)
TEXT ·gemmS8Tile1x16SDOT(SB), NOSPLIT, $0-96
	DOT_TILE1

#undef DOT
#define DOT(d, n, m, i) SUDOT4S(d, n, m, i)

// func gemmU8Tile1x16I8MM(passes, groups uintptr, a *byte, stride, jump, next, taps uintptr, offsets *int, b *byte, init, c *int32, ldc uintptr)
TEXT ·gemmU8Tile1x16I8MM(SB), NOSPLIT, $0-96
	DOT_TILE1

#undef DOT

// With matrix products: an instruction multiplies 2 rows of 8 codes by 2
// channels of 8 weights, 32 products, to the sums r0c0 r0c1 r1c0 r1c1. The
// same quarter of two blocks of weights, 4 channels of 4 codes each, becomes
// two such operands by ZIP. In the tile of six rows 8 codes are 24 products
// beside 8 ZIP and 14 loads.
//
// Registers: sums of rows 2q and 2q+1, channels 2p and 2p+1 in 8q+p; rows in
// V24..V26; weights in V27..V30.

// INIT sets the sums of all rows of channels 2p and 2p+1.
#define INIT2(s0)         VLD1R.P 8(R4), [s0.D2]
#define INIT6(s0, s1, s2) \
	VLD1R.P 8(R4), [s0.D2]     \
	VORR    s0.B16, s0.B16, s1.B16 \
	VORR    s0.B16, s0.B16, s2.B16

// QUARTER multiplies four channels, sums from p on.
#define QUARTER2(p) \
	VZIP1 V28.S4, V27.S4, V29.S4 \
	VZIP2 V28.S4, V27.S4, V30.S4 \
	MMLA(p, 24, 29)   \
	MMLA(p+1, 24, 30)
#define QUARTER6(p) \
	VZIP1 V28.S4, V27.S4, V29.S4 \
	VZIP2 V28.S4, V27.S4, V30.S4 \
	MMLA(p, 24, 29)    \
	MMLA(p+8, 25, 29)  \
	MMLA(p+16, 26, 29) \
	MMLA(p+1, 24, 30)  \
	MMLA(p+9, 25, 30)  \
	MMLA(p+17, 26, 30)

// PAIRS loads the next 8 codes of two rows, HALVES the next 4.
#define PAIRS(r0, r1, f, v) \
	FMOVD.P 8(r0), f \
	VLD1.P 8(r1), v.D[1]
#define HALVES(r0, r1, f, v) \
	FMOVS.P 4(r0), f \
	VLD1.P 4(r1), v.S[2]

// EIGHT multiplies two blocks of weights, FOUR one.
#define EIGHT(QUARTER) \
	FMOVQ 64(R4), F28     \
	FMOVQ.P 16(R4), F27   \
	QUARTER(0)            \
	FMOVQ 64(R4), F28     \
	FMOVQ.P 16(R4), F27   \
	QUARTER(2)            \
	FMOVQ 64(R4), F28     \
	FMOVQ.P 16(R4), F27   \
	QUARTER(4)            \
	FMOVQ 64(R4), F28     \
	FMOVQ.P 80(R4), F27   \
	QUARTER(6)
#define FOUR(QUARTER) \
	VEOR V28.B16, V28.B16, V28.B16 \
	FMOVQ.P 16(R4), F27   \
	QUARTER(0)            \
	FMOVQ.P 16(R4), F27   \
	QUARTER(2)            \
	FMOVQ.P 16(R4), F27   \
	QUARTER(4)            \
	FMOVQ.P 16(R4), F27   \
	QUARTER(6)

// STORE_PAIR stores two rows.
#define STORE_PAIR(s0, s1, s2, s3, s4, s5, s6, s7) \
	VZIP1 s1.D2, s0.D2, V24.D2   \
	VZIP1 s3.D2, s2.D2, V25.D2   \
	VZIP1 s5.D2, s4.D2, V26.D2   \
	VZIP1 s7.D2, s6.D2, V27.D2   \
	VZIP2 s1.D2, s0.D2, V28.D2   \
	VZIP2 s3.D2, s2.D2, V29.D2   \
	VZIP2 s5.D2, s4.D2, V30.D2   \
	VZIP2 s7.D2, s6.D2, V31.D2   \
	STORE(V24, V25, V26, V27)    \
	STORE(V28, V29, V30, V31)

#define MMLA_TILE6 \
	ARGUMENTS                \
pass:                            \
	MOVD R5, R4              \
	INIT6(V0, V8, V16)       \
	INIT6(V1, V9, V17)       \
	INIT6(V2, V10, V18)      \
	INIT6(V3, V11, V19)      \
	INIT6(V4, V12, V20)      \
	INIT6(V5, V13, V21)      \
	INIT6(V6, V14, V22)      \
	INIT6(V7, V15, V23)      \
	PASS                     \
tap:                             \
	TAP6                     \
	SUBS $2, R14             \
	BLT  rest                \
two:                             \
	PAIRS(R8, R9, F24, V24)  \
	PAIRS(R10, R11, F25, V25) \
	PAIRS(R12, R13, F26, V26) \
	EIGHT(QUARTER6)          \
	SUBS $2, R14             \
	BGE  two                 \
rest:                            \
	ADDS $2, R14             \
	BEQ  next                \
	HALVES(R8, R9, F24, V24) \
	HALVES(R10, R11, F25, V25) \
	HALVES(R12, R13, F26, V26) \
	FOUR(QUARTER6)           \
next:                            \
	SUB  $1, R22             \
	CBNZ R22, tap            \
	STORE_PAIR(V0, V1, V2, V3, V4, V5, V6, V7) \
	STORE_PAIR(V8, V9, V10, V11, V12, V13, V14, V15) \
	STORE_PAIR(V16, V17, V18, V19, V20, V21, V22, V23) \
	ADD  R19, R2             \
	SUB  $1, R0              \
	CBNZ R0, pass            \
	RET

#define MMLA_TILE2 \
	ARGUMENTS                \
pass:                            \
	MOVD R5, R4              \
	INIT2(V0)                \
	INIT2(V1)                \
	INIT2(V2)                \
	INIT2(V3)                \
	INIT2(V4)                \
	INIT2(V5)                \
	INIT2(V6)                \
	INIT2(V7)                \
	PASS                     \
tap:                             \
	TAP2                     \
	SUBS $2, R14             \
	BLT  rest                \
two:                             \
	PAIRS(R8, R9, F24, V24)  \
	EIGHT(QUARTER2)          \
	SUBS $2, R14             \
	BGE  two                 \
rest:                            \
	ADDS $2, R14             \
	BEQ  next                \
	HALVES(R8, R9, F24, V24) \
	FOUR(QUARTER2)           \
next:                            \
	SUB  $1, R22             \
	CBNZ R22, tap            \
	STORE_PAIR(V0, V1, V2, V3, V4, V5, V6, V7) \
	ADD  R19, R2             \
	SUB  $1, R0              \
	CBNZ R0, pass            \
	RET

#define MMLA(d, n, m) SMMLA4S(d, n, m)

// func gemmS8Tile6x16I8MM(passes, groups uintptr, a *byte, stride, jump, next, taps uintptr, offsets *int, b *byte, init, c *int32, ldc uintptr)
TEXT ·gemmS8Tile6x16I8MM(SB), NOSPLIT, $0-96
	MMLA_TILE6

// func gemmS8Tile2x16I8MM(passes, groups uintptr, a *byte, stride, jump, next, taps uintptr, offsets *int, b *byte, init, c *int32, ldc uintptr)
TEXT ·gemmS8Tile2x16I8MM(SB), NOSPLIT, $0-96
	MMLA_TILE2

#undef MMLA
#define MMLA(d, n, m) USMMLA4S(d, n, m)

// func gemmU8Tile6x16I8MM(passes, groups uintptr, a *byte, stride, jump, next, taps uintptr, offsets *int, b *byte, init, c *int32, ldc uintptr)
TEXT ·gemmU8Tile6x16I8MM(SB), NOSPLIT, $0-96
	MMLA_TILE6

// func gemmU8Tile2x16I8MM(passes, groups uintptr, a *byte, stride, jump, next, taps uintptr, offsets *int, b *byte, init, c *int32, ldc uintptr)
TEXT ·gemmU8Tile2x16I8MM(SB), NOSPLIT, $0-96
	MMLA_TILE2
