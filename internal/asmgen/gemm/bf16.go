package main

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/ir"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

// The instructions of AVX512-BF16, which neither avo nor the assembler knows.

// Prefixes of opcodes in EVEX.
const (
	ppF3 = 2
	ppF2 = 3
)

// evexBytes returns EVEX.512.pp.0F38.W0 op /r for three registers: dst and
// vvvv are the first and the second operand in Intel's order, rm the third.
func evexBytes(pp, op int, rm, vvvv, dst int) []int {
	bit := func(v, i int) int { return ^v >> i & 1 }
	return []int{
		0x62,
		bit(dst, 3)<<7 | bit(rm, 4)<<6 | bit(rm, 3)<<5 | bit(dst, 4)<<4 | 2,
		(^vvvv&15)<<3 | 1<<2 | pp,
		2<<5 | bit(vvvv, 4)<<3,
		op,
		3<<6 | (dst&7)<<3 | rm&7,
	}
}

func evex(name string, pp, op int, rm, vvvv, dst int) {
	Comment(fmt.Sprintf("%s Z%d, Z%d, Z%d", name, rm, vvvv, dst))
	for _, v := range evexBytes(pp, op, rm, vvvv, dst) {
		Instruction(&ir.Instruction{Opcode: "BYTE", Operands: []Op{U8(v)}})
	}
}

// dotPairs writes VDPBF16PS: acc += the products of the odd, then of the even
// elements of b and x.
func dotPairs(b, x, acc VecPhysical) { evex("VDPBF16PS", ppF3, 0x52, index(b), index(x), index(acc)) }

// roundPairs writes VCVTNE2PS2BF16: the bfloat16 of lo, then of hi.
func roundPairs(lo, hi, dst VecPhysical) {
	evex("VCVTNE2PS2BF16", ppF2, 0x72, index(lo), index(hi), index(dst))
}

// Registers of the kernels that lay out operands.
var (
	packRows   = RDI
	packDst    = RSI
	packSrc    = R8
	packSecond = R9
	packDStep  = R10
	packSStep  = R11
	packN      = R12 // elements of a row
	packLeft   = RCX // elements left
	packAt     = RAX // bytes of a row that are done, of dst
	packFrom   = RBX // of src
)

// packRowLoop writes the loops over rows and over vectors of a row: body
// lays out count elements and advances packAt and packFrom, the last with the
// masks that mask sets for packLeft elements. second says that packSecond
// moves with the rows.
func packRowLoop(count int, second bool, mask func(), body func(masked bool)) {
	Label("row")
	MOVQ(packN, packLeft)
	XORL(EAX, EAX)
	XORL(EBX, EBX)
	SUBQ(Imm(uint64(count)), packLeft)
	JCS(LabelRef("tail"))
	Label("loop")
	body(false)
	SUBQ(Imm(uint64(count)), packLeft)
	JCC(LabelRef("loop"))
	Label("tail")
	ADDQ(Imm(uint64(count)), packLeft)
	JEQ(LabelRef("next"))
	mask()
	body(true)
	Label("next")
	ADDQ(packDStep, packDst)
	ADDQ(packSStep, packSrc)
	if second {
		ADDQ(packSStep, packSecond)
	}
	SUBQ(Imm(1), packRows)
	JNE(LabelRef("row"))
	VZEROUPPER()
	RET()
}

// maskLow sets k to the lowest bits, as many as the register n, at most 32, says.
func maskLow(n Register, k OpmaskPhysical) {
	MOVL(I32(-1), EDX)
	BZHIL(n, EDX, EDX)
	KMOVD(EDX, k)
}

func packBF16() {
	for _, low := range []bool{false, true} {
		pairRowsF32(low)
		joinRowsF32(low)
	}
	pairRowsCodes("I8")
	pairRowsCodes("U8")
}

// remainders replaces the floats lo and hi by what is left of them after
// rounding, which is in the pairs p.
func remainders(p, lo, hi, t VecPhysical, mask VecPhysical) {
	VPSLLD(Imm(16), p, t)
	VSUBPS(t, lo, lo)
	VPANDD(mask, p, t)
	VSUBPS(t, hi, hi)
}

// pairRowsF32 writes the kernel that makes pairs of two rows.
func pairRowsF32(low bool) {
	name, doc := "pairF32AVX512BF16", "the products of scale with"
	if low {
		name, doc = "pairLowF32AVX512BF16", "what rounding leaves of the products of scale with"
	}
	TEXT(name, NOSPLIT, "func(rows, n uintptr, dst *uint32, dstStride uintptr, src *float32, srcStride, second uintptr, scale float32)")
	Pragma("noescape")
	Doc(name+" writes rows of n pairs of bfloat16 to dst: "+doc+" src[i] in the low",
		"and src[second+i] in the high half. Strides and second are in bytes; rows is at least 1.")
	loadPack()
	Load(Param("second"), packSecond)
	ADDQ(packSrc, packSecond)
	VBROADCASTSS(NewParamAddr("scale", 56), Z0)
	interleave := Z1
	VMOVDQU32(interleaveWords(), interleave)
	if low {
		VPBROADCASTD(highHalf(), Z2)
	}
	src := func(base Register) Mem { return Mem{Base: base, Index: packFrom, Scale: 1} }
	packRowLoop(16, true, func() { maskLow(ECX, K1) }, func(masked bool) {
		if masked {
			VMULPS_Z(src(packSrc), Z0, K1, Z3)
			VMULPS_Z(src(packSecond), Z0, K1, Z4)
		} else {
			VMULPS(src(packSrc), Z0, Z3)
			VMULPS(src(packSecond), Z0, Z4)
		}
		roundPairs(Z3, Z4, Z5)
		VPERMW(Z5, interleave, Z5)
		if low {
			remainders(Z5, Z3, Z4, Z6, Z2)
			roundPairs(Z3, Z4, Z5)
			VPERMW(Z5, interleave, Z5)
		}
		dst := Mem{Base: packDst, Index: packAt, Scale: 1}
		if masked {
			VMOVDQU32(Z5, K1, dst)
		} else {
			VMOVDQU32(Z5, dst)
			ADDQ(Imm(64), packAt)
			ADDQ(Imm(64), packFrom)
		}
	})
}

// joinRowsF32 writes the kernel that makes pairs of neighbours.
func joinRowsF32(low bool) {
	name, doc := "joinF32AVX512BF16", "the products of scale[i] and src[i]"
	if low {
		name, doc = "joinLowF32AVX512BF16", "what rounding leaves of the products of scale[i] and src[i]"
	}
	TEXT(name, NOSPLIT, "func(rows, n uintptr, dst *uint32, dstStride uintptr, src *float32, srcStride uintptr, scale *float32)")
	Pragma("noescape")
	Doc(name+" writes rows of n bfloat16 and, when n is odd, a 0 to dst: "+doc+".",
		"Strides are in bytes; rows is at least 1.")
	loadPack()
	Load(Param("scale"), packSecond)
	interleave := Z1
	VMOVDQU32(interleaveWords(), interleave)
	if low {
		VPBROADCASTD(highHalf(), Z2)
	}
	at := func(base Register, disp int) Mem { return Mem{Base: base, Index: packFrom, Scale: 1, Disp: disp} }
	mask := func() {
		maskLow(ECX, K1)
		KSHIFTRD(Imm(16), K1, K2)
		MOVL(ECX, EDX)
		ADDL(Imm(1), EDX)
		SHRL(Imm(1), EDX)
		MOVL(I32(-1), R13L)
		BZHIL(EDX, R13L, R13L)
		KMOVD(R13L, K3)
	}
	packRowLoop(32, false, mask, func(masked bool) {
		for i, z := range []VecPhysical{Z3, Z4} {
			if k := []OpmaskPhysical{K1, K2}[i]; masked {
				VMOVUPS_Z(at(packSrc, 64*i), k, z)
				VMULPS_Z(at(packSecond, 64*i), z, k, z)
			} else {
				VMOVUPS(at(packSrc, 64*i), z)
				VMULPS(at(packSecond, 64*i), z, z)
			}
		}
		roundPairs(Z3, Z4, Z5)
		if low {
			VPERMW(Z5, interleave, Z5)
			remainders(Z5, Z3, Z4, Z6, Z2)
			roundPairs(Z3, Z4, Z5)
		}
		dst := Mem{Base: packDst, Index: packAt, Scale: 1}
		if masked {
			VMOVDQU32(Z5, K3, dst)
		} else {
			VMOVDQU32(Z5, dst)
			ADDQ(Imm(64), packAt)
			ADDQ(I32(128), packFrom)
		}
	})
}

// pairRowsCodes writes the kernel that makes pairs of two rows of codes.
// Small integers are exact in bfloat16: it is the high half of the float.
func pairRowsCodes(dtype string) {
	name := "pair" + dtype + "AVX512"
	TEXT(name, NOSPLIT, "func(rows, n uintptr, dst *uint32, dstStride uintptr, src *byte, srcStride, second uintptr, zero int32)")
	Pragma("noescape")
	Doc(name+" writes rows of n pairs of bfloat16 to dst: the differences of codes and zero, src[i] in",
		"the low and src[second+i] in the high half. Strides and second are in bytes; rows is at least 1.")
	loadPack()
	Load(Param("second"), packSecond)
	ADDQ(packSrc, packSecond)
	VBROADCASTSS(NewParamAddr("zero", 56), Z0)
	src := func(base Register) Mem { return Mem{Base: base, Index: packFrom, Scale: 1} }
	packRowLoop(16, true, func() { maskLow(ECX, K1) }, func(masked bool) {
		for i, z := range []VecPhysical{Z3, Z4} {
			m := src([]Register{packSrc, packSecond}[i])
			switch {
			case dtype == "I8" && masked:
				VPMOVSXBD_Z(m, K1, z)
			case dtype == "I8":
				VPMOVSXBD(m, z)
			case masked:
				VPMOVZXBD_Z(m, K1, z)
			default:
				VPMOVZXBD(m, z)
			}
			VPSUBD(Z0, z, z)
			VCVTDQ2PS(z, z)
		}
		VPSRLD(Imm(16), Z3, Z3)
		VPORD(Z3, Z4, Z5)
		dst := Mem{Base: packDst, Index: packAt, Scale: 1}
		if masked {
			VMOVDQU32(Z5, K1, dst)
		} else {
			VMOVDQU32(Z5, dst)
			ADDQ(Imm(64), packAt)
			ADDQ(Imm(16), packFrom)
		}
	})
}

func loadPack() {
	Load(Param("rows"), packRows)
	Load(Param("n"), packN)
	Load(Param("dst"), packDst)
	Load(Param("dstStride"), packDStep)
	Load(Param("src"), packSrc)
	Load(Param("srcStride"), packSStep)
}

// interleaveWords returns the indices that turn the words lo0, lo1, ..., hi0,
// hi1, ... into lo0, hi0, lo1, hi1, ...
func interleaveWords() Mem {
	if data.words.Base == nil {
		data.words = GLOBL("interleaveWords", RODATA|NOPTR)
		for i := range 16 {
			DATA(4*i, U32(uint32(i|(16+i)<<16)))
		}
	}
	return data.words
}

// highHalf returns the mask of the high half of a pair.
func highHalf() Mem {
	if data.high.Base == nil {
		data.high = GLOBL("highHalf", RODATA|NOPTR)
		DATA(0, U32(0xFFFF0000))
	}
	return data.high
}

// data are the constants that were written.
var data struct{ words, high Mem }
