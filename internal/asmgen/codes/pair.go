package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

// side is one of the two operands of an operation on codes.
type side struct {
	s           isa
	at          Register
	flip        VecVirtual // makes unsigned bytes of the codes
	zero, scale VecVirtual
}

func (s isa) side(name string, p Register, at int) side {
	return side{s, arg(name), s.field(p, at), s.field(p, at+4), s.field(p, at+8)}
}

// real returns the next real numbers, (code-zero) * scale.
func (o side) real(tail Register) VecVirtual {
	x, v := XMM(), o.s.vec()
	switch {
	case !o.s.zmm:
		VMOVQ(Mem{Base: o.at}, x)
		VPXOR(o.flip.AsX(), x, x)
	case tail == nil:
		VMOVDQU8(Mem{Base: o.at}, x)
		VPXORD(o.flip.AsX(), x, x)
	default:
		VMOVDQU8_Z(Mem{Base: o.at}, tail, x)
		VPXORD(o.flip.AsX(), x, x)
	}
	VPMOVZXBD(x, v)
	VPSUBD(o.zero, v, v)
	VCVTDQ2PS(v, v)
	VMULPS(o.scale, v, v)
	ADDQ(U8(uint8(o.s.lanes())), o.at)
	return v
}

// pair writes the sums or products of the real numbers of two tensors of
// codes as codes.
func (s isa) pair(product, divide bool) {
	name, doc := "addCodes", "sums"
	if product {
		name, doc = "mulCodes", "products"
	}
	name += map[bool]string{true: "Divide", false: "Multiply"}[divide]
	s.begin(name, "dst, mask, a, b *byte, sides *[6]uint32, p *[12]uint32, n uintptr",
		"writes the codes, and unless mask is nil the mask bits, of "+doc+" of the numbers (code^flip-zero) * scale of a and b, of which sides has flip, zero and scale")
	dst, mask, sides, p, n := arg("dst"), arg("mask"), arg("sides"), arg("p"), arg("n")
	a, b := s.side("a", sides, 0), s.side("b", sides, 12)
	factor, inside := s.field(p, atFactor), s.field(p, atInside)
	low, high, after := s.field(p, atLow), s.field(p, atHigh), s.field(p, atAfter)
	bytes := s.lowBytes()
	o := codeStore{s: s, dst: dst, mask: mask, n: n, after: after, bytes: bytes}
	lo, hi := s.kept(func() VecVirtual { return s.field(p, atLo) }), s.kept(func() VecVirtual { return s.field(p, atHi) })
	s.loop(n, func(tail Register) {
		t, u := a.real(tail), b.real(tail)
		if product {
			VMULPS(u, t, t)
		} else {
			VADDPS(u, t, t)
		}
		if divide {
			VDIVPS(factor, t, t)
		} else {
			VMULPS(factor, t, t)
		}
		VADDPS(inside, t, t)
		o.lo, o.hi = lo(), hi()
		o.store(s.integers(t, low, high, false, nil, nil), tail)
	})
	VZEROUPPER()
	RET()
}
