package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

func (s isa) lsqGrad(divide, away bool) {
	name, doc := "lsqGrad", "adds the gradients of a scale to 16 lanes"
	if divide {
		name, doc = name+"Divide", doc+" by quotients"
	} else {
		name, doc = name+"Multiply", doc+" by products"
	}
	if away {
		name, doc = name+"Away", doc+", ties away from zero"
	} else {
		name, doc = name+"Even", doc+", ties to even"
	}
	if !s.zmm {
		doc += ", for n a multiple of 16"
	}
	s.begin(name, "dx, dy, x *float32, p *[12]uint32, lanes *[16]float64, nan *[16]int32, stream, n uintptr",
		doc+", writes dx, and counts NaNs")
	stream := arg("stream")
	dx, dy, x, p, n := arg("dx"), arg("dy"), arg("x"), arg("p"), arg("n")
	// There are too few YMM for all numbers.
	field := func(at int) func() VecVirtual {
		if !s.zmm {
			return func() VecVirtual { return s.field(p, at) }
		}
		v := s.field(p, at)
		return func() VecVirtual { return v }
	}
	factor, inside, low, high := field(atFactor), field(atInside), field(atLow), field(atHigh)
	lo, hi, origin := field(atLo), field(atHi), field(atOrigin)
	var sign, half, one VecVirtual
	if away {
		sign, half = s.constant(1<<31), s.constant(0x3effffff)
	}
	if s.zmm {
		one = s.constant(1)
	}
	count := s.clear()
	sums := Load(Param("lanes"), GP64())
	acc := make([]VecVirtual, 16*8/s.bytes())
	for i := range acc {
		acc[i] = s.vec()
		VMOVUPD(Mem{Base: sums, Disp: i * s.bytes()}, acc[i])
	}
	s.loop(n, func(tail Register) {
		t, u, d := s.load(Mem{Base: x}, tail), s.vec(), s.load(Mem{Base: dy}, tail)
		if divide {
			VDIVPS(factor(), t, t)
		} else {
			VMULPS(factor(), t, t)
		}
		VADDPS(inside(), t, u)
		code := s.vec()
		if s.zmm {
			bad, good, in := K(), K(), K()
			if tail != nil {
				VCMPPS(U8(unordered), u, u, tail, bad)
			} else {
				VCMPPS(U8(unordered), u, u, bad)
			}
			VPADDD(one, count, bad, count)
			q := s.integers(u, low(), high(), away, sign, half)
			VPMAXSD(lo(), q, code)
			VPMINSD(hi(), code, code)
			KNOTW(bad, good)
			VPCMPEQD(q, code, good, in)
			if tail != nil {
				KANDW(tail, in, in)
			}
			VPSUBD(origin(), code, code)
			VCVTDQ2PS(code, code)
			VSUBPS(t, code, in, code)
			VMULPS_Z(d, code, good, code)
			VMOVAPS_Z(d, in, d)
			s.storeBeyond(d, Mem{Base: dx}, stream, tail)
			upper := YMM()
			wide := []VecVirtual{s.vec(), s.vec()}
			VEXTRACTF64X4(U8(1), code, upper)
			VCVTPS2PD(code.AsY(), wide[0])
			VCVTPS2PD(upper, wide[1])
			for i, w := range wide {
				VADDPD(w, acc[i], acc[i])
			}
		} else {
			bad := s.vec()
			VCMPPS(U8(unordered), u, u, bad)
			VPSUBD(bad, count, count)
			q := s.integers(u, low(), high(), away, sign, half)
			VPMAXSD(lo(), q, code)
			VPMINSD(hi(), code, code)
			VPCMPEQD(q, code, q)
			VPANDN(q, bad, q)
			VPSUBD(origin(), code, code)
			VCVTDQ2PS(code, code)
			VPAND(q, t, t)
			VSUBPS(t, code, code)
			VMULPS(d, code, code)
			VPANDN(code, bad, code)
			VPAND(q, d, d)
			s.storeBeyond(d, Mem{Base: dx}, stream, tail)
			upper, wide := XMM(), s.vec()
			VEXTRACTF128(U8(1), code, upper)
			VCVTPS2PD(code.AsX(), wide)
			// The lanes of every other vector are the other eight.
			first, second := s.vec(), s.vec()
			VADDPD(wide, acc[0], first)
			wide = s.vec()
			VCVTPS2PD(upper, wide)
			VADDPD(wide, acc[1], second)
			VMOVAPD(acc[2], acc[0])
			VMOVAPD(acc[3], acc[1])
			VMOVAPD(first, acc[2])
			VMOVAPD(second, acc[3])
		}
		for _, r := range []Register{dx, dy, x} {
			ADDQ(U8(uint8(s.bytes())), r)
		}
	})
	for i, v := range acc {
		VMOVUPD(v, Mem{Base: sums, Disp: i * s.bytes()})
	}
	SFENCE()
	s.store(count, Mem{Base: arg("nan")}, nil)
	VZEROUPPER()
	RET()
}
