package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

// codeStore holds what the loops of sums need once they have integers.
type codeStore struct {
	s                    isa
	dst, mask, n         Register
	lo, hi, after, bytes VecVirtual
}

// store clamps the integers q, stores them as codes and their mask bits.
func (o codeStore) store(q VecVirtual, tail Register) {
	s, code, bits := o.s, o.s.vec(), GP32()
	VPMAXSD(o.lo, q, code)
	VPMINSD(o.hi, code, code)
	if s.zmm {
		in := K()
		if tail != nil {
			VPCMPEQD(q, code, tail, in)
		} else {
			VPCMPEQD(q, code, in)
		}
		KMOVW(in, bits)
	} else {
		VPCMPEQD(q, code, q)
		VMOVMSKPS(q, bits)
	}
	VPADDD(o.after, code, code)
	s.storeBytes(code, o.bytes, o.dst, tail)
	s.storeBits("m", bits, o.mask, o.n, tail)
	ADDQ(U8(uint8(s.lanes())), o.dst)
}

func (s isa) requantize() {
	s.begin("requantize", "dst, mask *byte, acc, add *int32, m *float32, p *[12]uint32, channels, step, n uintptr",
		"writes the codes, and unless mask is nil the mask bits, of the sums acc+add times m")
	dst, mask, acc, add, m, p := arg("dst"), arg("mask"), arg("acc"), arg("add"), arg("m"), arg("p")
	low, high, after := s.field(p, atLow), s.field(p, atHigh), s.field(p, atAfter)
	lo, hi, bytes := s.field(p, atLo), s.field(p, atHi), s.lowBytes()
	c, n := s.columns(), arg("n")
	o := codeStore{s, dst, mask, n, lo, hi, after, bytes}
	s.loop(n, func(tail Register) {
		a := s.load(Mem{Base: acc}, tail)
		VPADDD(c.of(add), a, a)
		VCVTDQ2PS(a, a)
		VMULPS(c.of(m), a, a)
		o.store(s.integers(a, low, high, false, nil, nil), tail)
		ADDQ(U8(uint8(s.bytes())), acc)
		c.next()
	})
	VZEROUPPER()
	RET()
}

// requantizeFixed multiplies by fixed-point numbers m * 2^(left-right-31), of
// which m is not -2^31 and left or right is 0. The product of the shifted sum
// saturates like that of quant's double rounding; the caller sees to it that
// nothing else would saturate.
func (s isa) requantizeFixed(double bool) {
	name, doc := "requantizeSingle", ", rounded once"
	if double {
		name, doc = "requantizeDouble", ", rounded twice"
	}
	s.begin(name, "dst, mask *byte, acc, add, m, left, right *int32, p *[12]uint32, channels, step, n uintptr",
		"writes the codes, and unless mask is nil the mask bits, of the sums acc+add times m * 2^(left-right-31)"+doc)
	dst, mask, acc, add, m := arg("dst"), arg("mask"), arg("acc"), arg("add"), arg("m")
	left, right, p := arg("left"), arg("right"), arg("p")
	lo, hi, after, bytes := s.field(p, atLo), s.field(p, atHi), s.field(p, atAfter), s.lowBytes()
	f := s.fixed(double)
	c, n := s.columns(), arg("n")
	o := codeStore{s, dst, mask, n, lo, hi, after, bytes}
	s.loop(n, func(tail Register) {
		x := s.load(Mem{Base: acc}, tail)
		VPADDD(c.of(add), x, x)
		// The multipliers of the odd lanes are those of the even ones from the
		// next entry on.
		next := c.of(m)
		next.Disp = 4
		q := f.multiply(x, c.of(m), next, s.load(c.of(left), nil), s.load(c.of(right), nil))
		o.store(q, tail)
		ADDQ(U8(uint8(s.bytes())), acc)
		c.next()
	})
	VZEROUPPER()
	RET()
}

// fixed holds the constants of multiplications by fixed-point numbers.
type fixed struct {
	s                      isa
	double                 bool
	most, one, ones, nudge VecVirtual
	odds                   Register
}

func (s isa) fixed(double bool) fixed {
	f := fixed{s: s, double: double, most: s.constant(1<<31 - 1), one: s.constant(1)}
	if double {
		f.ones, f.nudge = s.constant(1<<32-1), s.constant(1<<30)
		VPSRLQ(U8(32), f.nudge, f.nudge)
	}
	if s.zmm {
		r := GP32()
		f.odds = K()
		MOVL(U32(0xaaaa), r)
		KMOVW(r, f.odds)
	}
	return f
}

// multiply returns x * 2^left * m / 2^(31+by), rounded. evenM has the
// multipliers of the even lanes, oddM those of the odd ones in the even lanes.
func (f fixed) multiply(x VecVirtual, evenM, oddM Op, left, by VecVirtual) VecVirtual {
	s := f.s
	x = s.shiftLeft(x, left, f.most)
	even, odd := s.vec(), s.vec()
	VPMULDQ(evenM, x, even)
	VPSRLQ(U8(32), x, odd)
	VPMULDQ(oddM, odd, odd)
	q := s.vec()
	if f.double {
		VPADDQ(f.nudge, even, even)
		VPADDQ(f.nudge, odd, odd)
		s.divideByPower(s.bits(31, even, odd, f.odds), by, f.ones, f.one, q)
		return q
	}
	// The floor, and the bit below its lowest.
	t, below := s.bits(31, even, odd, f.odds), s.bits(30, even, odd, f.odds)
	VPSRAVD(by, t, q)
	VPSRLVD(by, below, below)
	s.and(f.one, below, below)
	VPADDD(below, q, q)
	return q
}

// shiftLeft returns x * 2^by, saturated.
func (s isa) shiftLeft(x, by, most VecVirtual) VecVirtual {
	y, back, end := s.vec(), s.vec(), s.vec()
	VPSLLVD(by, x, y)
	VPSRAVD(by, y, back)
	VPSRAD(U8(31), x, end)
	if s.zmm {
		lost := K()
		VPCMPD(U8(4), x, back, lost)
		VPXORD(most, end, lost, y)
		return y
	}
	VPXOR(most, end, end)
	VPCMPEQD(x, back, back)
	VBLENDVPS(back, y, end, y)
	return y
}

// bits returns 32 bits, the lowest first, of the 64-bit products.
func (s isa) bits(first uint8, even, odd VecVirtual, odds Register) VecVirtual {
	low, high := s.vec(), s.vec()
	VPSRLQ(U8(first), even, low)
	VPSLLQ(U8(32-first), odd, high)
	if s.zmm {
		VMOVDQA32(high, odds, low)
	} else {
		VPBLENDD(U8(0xaa), high, low, low)
	}
	return low
}

// divideByPower writes t / 2^by, ties away from zero, to q.
func (s isa) divideByPower(t, by, ones, one, q VecVirtual) {
	above, rest, sign := s.vec(), s.vec(), s.vec()
	VPSLLVD(by, ones, above)
	if s.zmm {
		VPANDND(t, above, rest)
	} else {
		VPANDN(t, above, rest)
	}
	// The remainder is more than half of 2^by, or half of it if t is
	// positive, when this does not become negative; by 0 has no remainder.
	VPSRAD(U8(31), t, sign)
	VPADDD(sign, rest, rest)
	VPSRAD(U8(1), above, above)
	VPADDD(above, rest, rest)
	VPSRAD(U8(31), rest, rest)
	VPSRAVD(by, t, q)
	VPADDD(one, q, q)
	VPADDD(rest, q, q)
}

func (s isa) and(a, b, to VecVirtual) {
	if s.zmm {
		VPANDD(a, b, to)
	} else {
		VPAND(a, b, to)
	}
}
