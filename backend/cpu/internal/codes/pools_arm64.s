//go:build arm64 && !purego

#include "textflag.h"
#include "instructions_arm64.h"

// LARGEST takes 16 channels at a time; the last 16 may overlap those before.
#define LARGEST(MAX) \
	MOVD pixels+0(FP), R0    \
	MOVD channels+8(FP), R1  \
	MOVD x+16(FP), R2        \
	MOVD stride+24(FP), R3   \
	MOVD taps+32(FP), R4     \
	MOVD offsets+40(FP), R5  \
	MOVD dst+48(FP), R6      \
	SUB  $16, R1, R7         \
pixel:                           \
	MOVD ZR, R8              \
channel:                         \
	CMP  R7, R8              \
	CSEL GT, R7, R8, R8      \
	ADD  R2, R8, R9          \
	MOVD R5, R10             \
	MOVD R4, R11             \
	MOVD (R10), R12          \
	ADD  R9, R12             \
	FMOVQ (R12), F0          \
tap:                             \
	MOVD.P 8(R10), R12       \
	ADD  R9, R12             \
	FMOVQ (R12), F1          \
	MAX(0, 0, 1)             \
	SUB  $1, R11             \
	CBNZ R11, tap            \
	ADD  R6, R8, R9          \
	FMOVQ F0, (R9)           \
	ADD  $16, R8             \
	CMP  R1, R8              \
	BLT  channel             \
	ADD  R3, R2              \
	ADD  R1, R6              \
	SUB  $1, R0              \
	CBNZ R0, pixel           \
	RET

// func largestInt8NEON(pixels, channels uintptr, x *byte, stride, taps uintptr, offsets *int, dst *byte)
TEXT ·largestInt8NEON(SB), NOSPLIT, $0-56
	LARGEST(SMAX16B)

// func largestUint8NEON(pixels, channels uintptr, x *byte, stride, taps uintptr, offsets *int, dst *byte)
TEXT ·largestUint8NEON(SB), NOSPLIT, $0-56
	LARGEST(UMAX16B)
