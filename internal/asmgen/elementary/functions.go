package main

import (
	"math"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

// Functions of vectors, the steps of those of package elementary one by one:
// every product and every sum is rounded.

// Predicates of comparisons.
const (
	lessThan     = 17 // LT_OQ
	unordered    = 3
	greaterThan  = 30 // GT_OQ
	greaterEqual = 29 // GE_OQ
)

// mulC, addC and maxC take a constant.
func (s *isa) mulC(v VecVirtual, c float32) VecVirtual {
	out, m := s.vec(), s.constant(math.Float32bits(c))
	if s.zmm {
		VMULPS_BCST(m, v, out)
	} else {
		VMULPS(m, v, out)
	}
	return out
}

func (s *isa) addC(v VecVirtual, c float32) VecVirtual {
	out, m := s.vec(), s.constant(math.Float32bits(c))
	if s.zmm {
		VADDPS_BCST(m, v, out)
	} else {
		VADDPS(m, v, out)
	}
	return out
}

func (s *isa) subC(v VecVirtual, c float32) VecVirtual {
	out, m := s.vec(), s.constant(math.Float32bits(c))
	if s.zmm {
		VSUBPS_BCST(m, v, out)
	} else {
		VSUBPS(m, v, out)
	}
	return out
}

// all returns the constant in all lanes.
func (s *isa) all(c float32) VecVirtual {
	out, m := s.vec(), s.constant(math.Float32bits(c))
	if s.zmm {
		VBROADCASTSS(m, out)
	} else {
		VMOVUPS(m, out)
	}
	return out
}

func (s *isa) mul(a, b VecVirtual) VecVirtual { out := s.vec(); VMULPS(b, a, out); return out }
func (s *isa) add(a, b VecVirtual) VecVirtual { out := s.vec(); VADDPS(b, a, out); return out }
func (s *isa) sub(a, b VecVirtual) VecVirtual { out := s.vec(); VSUBPS(b, a, out); return out }
func (s *isa) div(a, b VecVirtual) VecVirtual { out := s.vec(); VDIVPS(b, a, out); return out }

// bitwise masks.
const (
	signBit  = 0x80000000
	allOther = 0x7fffffff
)

func (s *isa) and(v VecVirtual, bits uint32) VecVirtual {
	out, m := s.vec(), s.constant(bits)
	if s.zmm {
		VANDPS_BCST(m, v, out)
	} else {
		VANDPS(m, v, out)
	}
	return out
}

func (s *isa) or(v VecVirtual, bits uint32) VecVirtual {
	out, m := s.vec(), s.constant(bits)
	if s.zmm {
		VORPS_BCST(m, v, out)
	} else {
		VORPS(m, v, out)
	}
	return out
}

func (s *isa) xorVec(a, b VecVirtual) VecVirtual { out := s.vec(); VXORPS(b, a, out); return out }

// compare returns the lanes where v stands in the relation to c.
func (s *isa) compare(v VecVirtual, relation uint8, c float32) Register {
	m := s.constant(math.Float32bits(c))
	if s.zmm {
		k := K()
		VCMPPS_BCST(U8(relation), m, v, k)
		return k
	}
	out := YMM()
	VCMPPS(U8(relation), m, v, out)
	return out
}

// choose puts yes into the lanes of no where the condition holds.
func (s *isa) choose(condition Register, yes, no VecVirtual) VecVirtual {
	out := s.vec()
	if s.zmm {
		VBLENDMPS(yes, no, condition, out)
	} else {
		VBLENDVPS(condition, yes, no, out)
	}
	return out
}

// horner is c[0] * v + c[1], times v, plus c[2], and so on.
func (s *isa) horner(v VecVirtual, c ...float32) VecVirtual {
	p := s.addC(s.mulC(v, c[0]), c[1])
	for _, a := range c[2:] {
		p = s.addC(s.mul(p, v), a)
	}
	return p
}

func (s *isa) exp(x VecVirtual) VecVirtual {
	const log2E, ln2Hi, ln2Lo, magic = 1.44269504088896341, 0.693359375, -2.12194440e-4, 12582912
	t := s.addC(s.mulC(x, log2E), magic)
	k := s.subC(t, magic)
	r := s.sub(x, s.mulC(k, ln2Hi))
	r = s.sub(r, s.mulC(k, ln2Lo))
	p := s.horner(r, 1.9875691500e-4, 1.3981999507e-3, 8.3334519073e-3, 4.1665795894e-2, 1.6666665459e-1, 5.0000001201e-1)
	p = s.add(s.mul(s.mul(p, r), r), r)
	p = s.addC(p, 1)
	if s.zmm {
		// One rounding, as that of the product of two powers of two.
		VSCALEFPS(k, p, p)
	} else {
		n, h, low := YMM(), YMM(), YMM()
		VPSUBD(s.constant(math.Float32bits(magic)), t, n)
		VPSRAD(U8(1), n, h)
		VPSUBD(h, n, low)
		for _, v := range []VecVirtual{h, low} {
			VPADDD(s.constant(127), v, v)
			VPSLLD(U8(23), v, v)
			VMULPS(v, p, p)
		}
	}
	nan, over, under := s.compare(x, unordered, 0), s.compare(x, greaterThan, 88.722839), s.compare(x, lessThan, -104)
	if s.zmm {
		inf := s.constant(math.Float32bits(float32(math.Inf(1))))
		VMOVAPS(x, nan, p)
		VBROADCASTSS(inf, over, p)
		VPXORD(p, p, under, p)
		return p
	}
	p = s.choose(nan, x, p)
	p = s.choose(over, s.all(float32(math.Inf(1))), p)
	out := YMM()
	VANDNPS(p, under, out)
	return out
}

func (s *isa) sigmoid(x VecVirtual) VecVirtual {
	e := s.exp(s.or(x, signBit)) // exp(-|x|)
	one := s.all(1)
	return s.div(s.choose(s.compare(x, greaterEqual, 0), one, e), s.add(one, e))
}

func (s *isa) tanh(x VecVirtual) VecVirtual {
	a := s.and(x, allOther)
	z := s.mul(x, x)
	small := s.horner(z, -5.70498872745e-3, 2.06390887954e-2, -5.37397155531e-2, 1.33314422036e-1, -3.33332819422e-1)
	small = s.add(s.mul(s.mul(small, z), x), x)
	y := s.sub(s.all(1), s.div(s.all(2), s.addC(s.exp(s.mulC(a, 2)), 1)))
	y = s.xorVec(y, s.and(x, signBit))
	return s.choose(s.compare(a, lessThan, 0.625), small, y)
}

func (s *isa) normal(x VecVirtual) VecVirtual {
	y := s.mulC(x, 1/math.Sqrt2)
	z := s.and(y, allOther)
	q := s.mul(y, y)
	p := s.horner(q, 7.853861353153693e-5, -8.010193625184903e-4, 5.188327685732524e-3, -2.685381193529856e-2,
		1.128358514861418e-1, -3.761262582423300e-1, 1.128379165726710)
	out := s.addC(s.mul(s.mulC(y, 0.5), p), 0.5)
	near, done := s.compare(z, lessThan, 1), s.label("near")
	s.jumpIfAll(near, done)
	t := s.div(s.all(1), s.addC(s.mulC(z, 0.5), 1))
	p = s.horner(t, 0.17087277, -0.82215223, 1.48851587, -1.13520398, 0.27886807, -0.18628806, 0.09678418, 0.37409196, 1.00002368, -1.26551223)
	tail := s.mul(s.mulC(t, 0.5), s.exp(s.sub(p, s.mul(z, z))))
	far := s.choose(s.compare(x, lessThan, 0), tail, s.sub(s.all(1), tail))
	if s.zmm {
		VBLENDMPS(out, far, near, out)
	} else {
		VBLENDVPS(near, out, far, out)
	}
	Label(done)
	return out
}

// jumpIfAll jumps when a condition holds in all lanes.
func (s *isa) jumpIfAll(condition Register, label string) {
	if s.zmm {
		KORTESTW(condition, condition)
		JCS(LabelRef(label)) // All ones.
		return
	}
	r := GP32()
	VMOVMSKPS(condition, r)
	CMPL(r, U32(0xff))
	JEQ(LabelRef(label))
}

func (s *isa) gelu(x VecVirtual) VecVirtual { return s.mul(x, s.normal(x)) }

func (s *isa) geluGrad(dy, x VecVirtual) VecVirtual {
	const normalPeak = 0.39894228040143267794
	minus := s.xorVec(x, s.all(math.Float32frombits(signBit)))
	density := s.mul(s.mulC(x, normalPeak), s.exp(s.mulC(s.mul(minus, x), 0.5)))
	return s.mul(dy, s.add(s.normal(x), density))
}

const (
	geluFactor = 0.79788456080286535588
	geluCube   = 0.044715
)

// geluSigmoid is sigmoid(2 * sqrt(2/pi) * (x + 0.044715 x^3)).
func (s *isa) geluSigmoid(x VecVirtual) VecVirtual {
	cube := s.mul(s.mul(s.mulC(x, geluCube), x), x)
	return s.sigmoid(s.mulC(s.add(x, cube), 2*geluFactor))
}

func (s *isa) geluTanh(x VecVirtual) VecVirtual { return s.mul(x, s.geluSigmoid(x)) }

func (s *isa) geluTanhGrad(dy, x VecVirtual) VecVirtual {
	g := s.geluSigmoid(x)
	slope := s.mulC(s.addC(s.mul(s.mulC(x, 3*geluCube), x), 1), 2*geluFactor)
	of := s.mul(s.mul(s.mul(x, g), s.sub(s.all(1), g)), slope)
	return s.mul(dy, s.add(g, of))
}
