package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

// between returns where v is above low and below high by two predicates of
// VCMPPS: a mask register, or lanes of ones.
func (s isa) between(v, low, high VecVirtual, above, below uint8) Register {
	if s.zmm {
		a, b := K(), K()
		VCMPPS(U8(above), low, v, a)
		VCMPPS(U8(below), high, v, a, b)
		return b
	}
	a, b := s.vec(), s.vec()
	VCMPPS(U8(above), low, v, a)
	VCMPPS(U8(below), high, v, b)
	VPAND(a, b, b)
	return b
}

// bounds returns the arguments low and high in all lanes.
func (s isa) bounds() (low, high VecVirtual) {
	low, high = s.vec(), s.vec()
	for _, b := range []struct {
		name string
		v    VecVirtual
	}{{"low", low}, {"high", high}} {
		x := Load(Param(b.name), XMM())
		VBROADCASTSS(x, b.v)
	}
	return low, high
}

func (s isa) clamp() {
	s.begin("clamp", "dst, x *float32, low, high float32, n uintptr", "writes x clamped to [low, high]; a NaN stays")
	dst, x, n := arg("dst"), arg("x"), arg("n")
	low, high := s.bounds()
	s.loop(n, func(tail Register) {
		v := s.load(Mem{Base: x}, tail)
		VMAXPS(v, low, v)
		VMINPS(v, high, v)
		s.store(v, Mem{Base: dst}, tail)
		ADDQ(U8(uint8(s.bytes())), x)
		ADDQ(U8(uint8(s.bytes())), dst)
	})
	VZEROUPPER()
	RET()
}

func (s isa) clampGrad() {
	s.begin("clampGrad", "dst, dy, y *float32, low, high float32, n uintptr", "writes dy where y is above low and not at or above high, else 0")
	dst, dy, y, n := arg("dst"), arg("dy"), arg("y"), arg("n")
	low, high := s.bounds()
	s.loop(n, func(tail Register) {
		in, d := s.between(s.load(Mem{Base: y}, tail), low, high, greater, notAtLeast), VecVirtual(nil)
		if s.zmm {
			if tail != nil {
				KANDW(tail, in, in)
			}
			d = s.load(Mem{Base: dy}, in)
		} else {
			d = s.vec()
			VPAND(Mem{Base: dy}, in, d)
		}
		s.store(d, Mem{Base: dst}, tail)
		for _, r := range []Register{dst, dy, y} {
			ADDQ(U8(uint8(s.bytes())), r)
		}
	})
	VZEROUPPER()
	RET()
}
