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
	atClampLow
	atClampHigh
)

// Predicates of VCMPPS.
const (
	unordered  = 3
	less       = 17 // ordered
	greater    = 30 // ordered
	notAtLeast = 25 // or unordered
)

// What the loops of quantizers write.
const (
	toCodes = iota
	toReals
	// toCodes of x * scale + shift, clamped.
	activationToCodes
)

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

func (s isa) quantize(divide, away bool, kind int) {
	fake, act := kind == toReals, kind == activationToCodes
	name, args, doc := "quantize", "dst *byte, mask *byte, x *float32", "writes codes"
	switch kind {
	case toReals:
		name, args, doc = "fakeQuantize", "dst *float32, mask *byte, x *float32, stream uintptr", "writes the real numbers of the codes"
	case activationToCodes:
		name, args, doc = "quantizeActivation", "dst *byte, mask *byte, x, scale, shift *float32, channels, step uintptr", "writes codes of activations"
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
	s.begin(name, args+", p *[12]uint32, nan *[16]int32, n uintptr",
		doc+", and the mask bits unless mask is nil, and counts NaNs")
	dst, mask, x, p, n := arg("dst"), arg("mask"), arg("x"), arg("p"), arg("n")
	factor, inside, low, high := s.field(p, atFactor), s.field(p, atInside), s.field(p, atLow), s.field(p, atHigh)
	lo, hi := s.field(p, atLo), s.field(p, atHi)
	// There are too few YMM for all numbers of an activation: those of these
	// are loaded when they are needed.
	field := func(at int) func() VecVirtual {
		if act && !s.zmm {
			return func() VecVirtual { return s.field(p, at) }
		}
		v := s.field(p, at)
		return func() VecVirtual { return v }
	}
	none := field(atNone)
	var clampLow, clampHigh func() VecVirtual
	var stream Register
	if fake {
		stream = arg("stream")
	}
	var c columns
	var factors, addends Register
	if act {
		clampLow, clampHigh = field(atClampLow), field(atClampHigh)
		factors, addends = arg("scale"), arg("shift")
		c = s.columns()
	}
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
		var between Register
		if act {
			VMULPS(c.of(factors), t, t)
			VADDPS(c.of(addends), t, t)
			between = s.between(t, clampLow(), clampHigh(), greater, less)
			// Of two operands one of which is NaN the instructions return the
			// first one written here.
			VMAXPS(t, clampLow(), t)
			VMINPS(t, clampHigh(), t)
		}
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
			if act {
				KANDW(between, in, in)
			}
			VMOVDQA32(none(), bad, code)
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
			if act {
				VPAND(between, q, q)
			}
			VMOVMSKPS(q, bits)
			VBLENDVPS(bad, none(), code, code)
		}
		if fake {
			VPSUBD(origin, code, code)
			VCVTDQ2PS(code, code)
			VMULPS(scale, code, code)
			s.storeBeyond(code, Mem{Base: dst}, stream, tail)
			ADDQ(U8(uint8(s.bytes())), dst)
		} else {
			VPADDD(after, code, code)
			s.storeBytes(code, bytes, dst, tail)
			ADDQ(U8(uint8(s.lanes())), dst)
		}
		s.storeBits("m", bits, mask, n, tail)
		ADDQ(U8(uint8(s.bytes())), x)
		if act {
			c.next()
		}
	})
	if fake {
		SFENCE()
	}
	s.store(count, Mem{Base: arg("nan")}, nil)
	VZEROUPPER()
	RET()
}
