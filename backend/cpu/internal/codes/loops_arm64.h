// What loops over 8 elements share. Elements are in V0 and V1, then codes in
// V2 and V3 and what is to become bits, all ones or zeros a lane, in V4 and V5.

// FIELD loads field i of the parameters at p into all lanes of v.
#define FIELD(p, i, v) \
	ADD   $(4*i), p, R20 \
	VLD1R (R20), [v.S4]

// BIT_WEIGHTS sets v to 1, 2, 4, ..., 128.
#define BIT_WEIGHTS(v) \
	MOVD $0x8040201008040201, R20 \
	VMOV R20, v.D[0]

// BITS stores V4 and V5 as 8 bits at mask, which it moves, unless it is 0.
#define BITS(mask, weights, skip) \
	CBZ    mask, skip               \
	VUZP1  V5.H8, V4.H8, V4.H8      \
	XTN8B(4, 4)                     \
	VAND   weights.B8, V4.B8, V4.B8 \
	ADDV8B(4, 4)                    \
	VST1.P V4.B[0], 1(mask)         \
skip:

// BYTES stores V2 and V3 as 8 bytes at dst, which it moves.
#define BYTES(dst) \
	VUZP1   V3.H8, V2.H8, V2.H8 \
	XTN8B(2, 2)                 \
	FMOVD.P F2, 8(dst)

// COLUMNS starts a walk through columns, R14 the channel; COLUMN loads those
// of the elements at hand; NEXT goes on to those of the next. step is 8 modulo
// channels.
#define COLUMNS MOVD ZR, R14
#define COLUMN(base, v0, v1) \
	ADD  R14<<2, base, R20      \
	VLD1 (R20), [v0.S4, v1.S4]
#define NEXT(channels, step) \
	ADD  step, R14             \
	SUBS channels, R14, R20    \
	CSEL GE, R20, R14, R14

// Quantizers: V16 factor, V17 inside, V18 low, V19 high, V20 lo, V21 hi, V22
// none, V23 after, V24 origin, V25 scale, V26 numbers counted, V31 weights of
// bits.
#define FIELDS \
	FIELD(R3, 0, V16) \
	FIELD(R3, 1, V17) \
	FIELD(R3, 2, V18) \
	FIELD(R3, 3, V19) \
	FIELD(R3, 4, V20) \
	FIELD(R3, 5, V21) \
	FIELD(R3, 6, V23) \
	FIELD(R3, 7, V22) \
	FIELD(R3, 8, V24) \
	FIELD(R3, 9, V25) \
	BIT_WEIGHTS(V31)  \
	VEOR V26.B16, V26.B16, V26.B16

// CODES makes codes without "after", and the lanes of the mask.
#define CODES(SCALE, ROUND) \
	SCALE(0, 0, 16)                \
	SCALE(1, 1, 16)                \
	FADD4S(0, 0, 17)               \
	FADD4S(1, 1, 17)               \
	FCMEQ4S(6, 0, 0)               \
	FCMEQ4S(7, 1, 1)               \
	VSUB   V6.S4, V26.S4, V26.S4   \
	VSUB   V7.S4, V26.S4, V26.S4   \
	FMAX4S(0, 0, 18)               \
	FMAX4S(1, 1, 18)               \
	FMIN4S(0, 0, 19)               \
	FMIN4S(1, 1, 19)               \
	ROUND(0, 0)                    \
	ROUND(1, 1)                    \
	CLAMP(20, 21)                  \
	VAND   V6.B16, V4.B16, V4.B16  \
	VAND   V7.B16, V5.B16, V5.B16  \
	VBIF   V6.B16, V22.B16, V2.B16 \
	VBIF   V7.B16, V22.B16, V3.B16

// CLAMP clamps the integers in V0 and V1, and compares.
#define CLAMP(lo, hi) \
	SMAX4S(2, 0, lo)             \
	SMAX4S(3, 1, lo)             \
	SMIN4S(2, 2, hi)             \
	SMIN4S(3, 3, hi)             \
	VCMEQ  V0.S4, V2.S4, V4.S4   \
	VCMEQ  V1.S4, V3.S4, V5.S4

// COUNT_NAN makes R4, the number of elements, that of those that are none.
#define COUNT_NAN \
	ADDV4S(26, 26)     \
	VMOV V26.S[0], R20 \
	SUB  R20, R4
