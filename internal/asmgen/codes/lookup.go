package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

// lookup writes the loop over a table of all codes; permutations of bytes,
// each over half of the table, are VBMI's.
func (s isa) lookup() {
	s.begin("lookup", "dst, x *byte, table *[256]byte, n uintptr", "writes the bytes of the table at the bytes of x, which may be dst")
	dst, x, table, n := arg("dst"), arg("x"), arg("table"), arg("n")
	var quarters [4]VecVirtual
	for i := range quarters {
		quarters[i] = s.vec()
		VMOVDQU8(Mem{Base: table, Disp: 64 * i}, quarters[i])
	}
	one := func(tail Register) {
		low, high, upper := s.vec(), s.vec(), K()
		if tail == nil {
			VMOVDQU8(Mem{Base: x}, low)
		} else {
			VMOVDQU8_Z(Mem{Base: x}, tail, low)
		}
		VPMOVB2M(low, upper)
		VMOVDQA64(low, high)
		VPERMI2B(quarters[1], quarters[0], low)
		VPERMI2B(quarters[3], quarters[2], high)
		VMOVDQU8(high, upper, low)
		if tail == nil {
			VMOVDQU8(low, Mem{Base: dst})
		} else {
			VMOVDQU8(low, tail, Mem{Base: dst})
		}
	}
	Label("loop")
	CMPQ(n, U8(64))
	JLT(LabelRef("tail"))
	one(nil)
	ADDQ(U8(64), x)
	ADDQ(U8(64), dst)
	SUBQ(U8(64), n)
	JMP(LabelRef("loop"))
	Label("tail")
	TESTQ(n, n)
	JE(LabelRef("done"))
	ones, k := GP64(), K()
	MOVQ(n, RCX)
	MOVQ(U32(1), ones)
	SHLQ(CL, ones)
	DECQ(ones)
	KMOVQ(ones, k)
	one(k)
	Label("done")
	VZEROUPPER()
	RET()
}
