package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

// Offsets of the entries of the parameters, 4 bytes each.
const (
	atFactor = 4 * iota
	atInside
	atLow
	atHigh
	atLo
	atHi
	atAfter
	atNone
	atOrigin
	atScale
)

// Predicates of VCMPPS.
const unordered = 3

// integers rounds t, clamped to [low, high], to integers.
func (s isa) integers(t, low, high VecVirtual, away bool, sign, half VecVirtual) VecVirtual {
	q := s.vec()
	VMAXPS(low, t, t)
	VMINPS(high, t, t)
	if !away {
		VCVTPS2DQ(t, q)
		return q
	}
	// The number before a half, with t's sign, takes ties and nothing less
	// to the next integer.
	if s.zmm {
		VPANDD(sign, t, q)
		VPORD(half, q, q)
	} else {
		VPAND(sign, t, q)
		VPOR(half, q, q)
	}
	VADDPS(q, t, t)
	VCVTTPS2DQ(t, q)
	return q
}

func (s isa) lowBytes() VecVirtual {
	if s.zmm {
		return nil
	}
	return s.constant(255)
}

func (s isa) quantize(divide, away, fake bool) {
	name, args, doc := "quantize", "dst *byte", "writes codes"
	if fake {
		name, args, doc = "fakeQuantize", "dst *float32", "writes the real numbers of the codes"
	}
	if divide {
		name, doc = name+"Divide", doc+" of quotients"
	} else {
		name, doc = name+"Multiply", doc+" of products"
	}
	if away {
		name, doc = name+"Away", doc+", ties away from zero"
	} else {
		name, doc = name+"Even", doc+", ties to even"
	}
	s.begin(name, args+", mask *byte, x *float32, p *[10]uint32, nan *[16]int32, n uintptr",
		doc+", and the mask bits unless mask is nil, and counts NaNs")
	dst, mask, x, p, nan, n := arg("dst"), arg("mask"), arg("x"), arg("p"), arg("nan"), arg("n")
	factor, inside, low, high := s.field(p, atFactor), s.field(p, atInside), s.field(p, atLow), s.field(p, atHigh)
	lo, hi, none := s.field(p, atLo), s.field(p, atHi), s.field(p, atNone)
	var after, bytes, origin, scale, sign, half, one VecVirtual
	if fake {
		origin, scale = s.field(p, atOrigin), s.field(p, atScale)
	} else {
		after, bytes = s.field(p, atAfter), s.lowBytes()
	}
	if away {
		sign, half = s.constant(1<<31), s.constant(0x3effffff)
	}
	if s.zmm {
		one = s.constant(1)
	}
	count := s.clear()
	s.loop(n, func(tail Register) {
		t, code := s.load(Mem{Base: x}, tail), s.vec()
		if divide {
			VDIVPS(factor, t, t)
		} else {
			VMULPS(factor, t, t)
		}
		VADDPS(inside, t, t)
		bits := GP32()
		if s.zmm {
			bad, in := K(), K()
			if tail != nil {
				VCMPPS(U8(unordered), t, t, tail, bad)
			} else {
				VCMPPS(U8(unordered), t, t, bad)
			}
			VPADDD(one, count, bad, count)
			q := s.integers(t, low, high, away, sign, half)
			VPMAXSD(lo, q, code)
			VPMINSD(hi, code, code)
			if tail != nil {
				VPCMPEQD(q, code, tail, in)
			} else {
				VPCMPEQD(q, code, in)
			}
			KANDNW(in, bad, in)
			VMOVDQA32(none, bad, code)
			KMOVW(in, bits)
		} else {
			bad := s.vec()
			VCMPPS(U8(unordered), t, t, bad)
			VPSUBD(bad, count, count)
			q := s.integers(t, low, high, away, sign, half)
			VPMAXSD(lo, q, code)
			VPMINSD(hi, code, code)
			VPCMPEQD(q, code, q)
			VPANDN(q, bad, q)
			VMOVMSKPS(q, bits)
			VBLENDVPS(bad, none, code, code)
		}
		if fake {
			VPSUBD(origin, code, code)
			VCVTDQ2PS(code, code)
			VMULPS(scale, code, code)
			s.store(code, Mem{Base: dst}, tail)
			ADDQ(U8(uint8(s.bytes())), dst)
		} else {
			VPADDD(after, code, code)
			s.storeBytes(code, bytes, dst, tail)
			ADDQ(U8(uint8(s.lanes())), dst)
		}
		s.storeBits("m", bits, mask, n, tail)
		ADDQ(U8(uint8(s.bytes())), x)
	})
	s.store(count, Mem{Base: nan}, nil)
	VZEROUPPER()
	RET()
}
