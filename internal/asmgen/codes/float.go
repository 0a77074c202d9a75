package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

func (s isa) steGrad() {
	s.begin("steGrad", "dst, dy *float32, mask *byte, stream, n uintptr", "writes dy where the mask bit is set, else 0")
	dst, dy, mask, n := arg("dst"), arg("dy"), arg("mask"), arg("n")
	stream := arg("stream")
	var bit VecVirtual
	if !s.zmm {
		x, r := XMM(), GP64()
		bit = s.vec()
		MOVQ(U64(0x8040201008040201), r)
		VMOVQ(r, x)
		VPMOVZXBD(x, bit)
	}
	s.loop(n, func(tail Register) {
		var v VecVirtual
		switch {
		case !s.zmm:
			keep := s.vec()
			VPBROADCASTB(Mem{Base: mask}, keep)
			VPAND(bit, keep, keep)
			VPCMPEQD(bit, keep, keep)
			v = s.vec()
			VPAND(Mem{Base: dy}, keep, v)
			INCQ(mask)
		case tail == nil:
			k := K()
			KMOVW(Mem{Base: mask}, k)
			v = s.load(Mem{Base: dy}, k)
			ADDQ(U8(2), mask)
		default:
			// The second byte may lie outside of the mask.
			k, low, high := K(), GP32(), GP32()
			MOVBLZX(Mem{Base: mask}, low)
			CMPQ(n, U8(8))
			JLE(LabelRef("byte"))
			MOVBLZX(Mem{Base: mask, Disp: 1}, high)
			SHLL(U8(8), high)
			ORL(high, low)
			Label("byte")
			KMOVW(low, k)
			KANDW(tail, k, k)
			v = s.load(Mem{Base: dy}, k)
		}
		s.storeBeyond(v, Mem{Base: dst}, stream, tail)
		ADDQ(U8(uint8(s.bytes())), dy)
		ADDQ(U8(uint8(s.bytes())), dst)
	})
	SFENCE()
	VZEROUPPER()
	RET()
}

func (s isa) dequantizeSums() {
	s.begin("dequantizeSums", "dst *float32, acc, add *int32, scale, bias *float32, channels, step, n uintptr",
		"writes (acc+add) * scale + bias, every step rounded")
	dst, acc, add, scale, bias := arg("dst"), arg("acc"), arg("add"), arg("scale"), arg("bias")
	c, n := s.columns(), arg("n")
	s.loop(n, func(tail Register) {
		v := s.load(Mem{Base: acc}, tail)
		VPADDD(c.of(add), v, v)
		VCVTDQ2PS(v, v)
		VMULPS(c.of(scale), v, v)
		VADDPS(c.of(bias), v, v)
		s.store(v, Mem{Base: dst}, tail)
		ADDQ(U8(uint8(s.bytes())), acc)
		ADDQ(U8(uint8(s.bytes())), dst)
		c.next()
	})
	VZEROUPPER()
	RET()
}

func (s isa) dequantizeCodes(name string, signed bool) {
	s.begin("dequantize"+name, "dst *float32, codes *byte, p *[12]uint32, n uintptr", "writes (code-origin) * scale")
	dst, codes, p, n := arg("dst"), arg("codes"), arg("p"), arg("n")
	origin, scale := s.field(p, atOrigin), s.field(p, atScale)
	s.loop(n, func(tail Register) {
		v := s.vec()
		switch {
		case tail != nil:
			x := XMM()
			VMOVDQU8_Z(Mem{Base: codes}, tail, x)
			if signed {
				VPMOVSXBD(x, v)
			} else {
				VPMOVZXBD(x, v)
			}
		case signed:
			VPMOVSXBD(Mem{Base: codes}, v)
		default:
			VPMOVZXBD(Mem{Base: codes}, v)
		}
		VPSUBD(origin, v, v)
		VCVTDQ2PS(v, v)
		VMULPS(scale, v, v)
		s.store(v, Mem{Base: dst}, tail)
		ADDQ(U8(uint8(s.lanes())), codes)
		ADDQ(U8(uint8(s.bytes())), dst)
	})
	VZEROUPPER()
	RET()
}

func (s isa) affine() {
	s.begin("affine", "dst, x, scale, shift *float32, channels, step, n uintptr", "writes x * scale + shift, the product rounded")
	dst, x, scale, shift := arg("dst"), arg("x"), arg("scale"), arg("shift")
	c, n := s.columns(), arg("n")
	s.loop(n, func(tail Register) {
		v := s.load(Mem{Base: x}, tail)
		VMULPS(c.of(scale), v, v)
		VADDPS(c.of(shift), v, v)
		s.store(v, Mem{Base: dst}, tail)
		ADDQ(U8(uint8(s.bytes())), x)
		ADDQ(U8(uint8(s.bytes())), dst)
		c.next()
	})
	VZEROUPPER()
	RET()
}

func (s isa) normGrad() {
	s.begin("normGrad", "dst, dy, x, ofDy, mean, ofX, plus *float32, channels, step, n uintptr",
		"writes dy * ofDy + (x-mean) * ofX + plus, every step rounded")
	dst, dy, x := arg("dst"), arg("dy"), arg("x")
	ofDy, mean, ofX, plus := arg("ofDy"), arg("mean"), arg("ofX"), arg("plus")
	c, n := s.columns(), arg("n")
	s.loop(n, func(tail Register) {
		d, v := s.load(Mem{Base: dy}, tail), s.load(Mem{Base: x}, tail)
		VMULPS(c.of(ofDy), d, d)
		VSUBPS(c.of(mean), v, v)
		VMULPS(c.of(ofX), v, v)
		VADDPS(v, d, d)
		VADDPS(c.of(plus), d, d)
		s.store(d, Mem{Base: dst}, tail)
		for _, r := range []Register{dst, dy, x} {
			ADDQ(U8(uint8(s.bytes())), r)
		}
		c.next()
	})
	VZEROUPPER()
	RET()
}

func (s isa) extremes() {
	s.begin("extremes", "x *float32, lo, hi *[16]float32, nan *[16]int32, n uintptr",
		"widens lo and hi, lane by lane, by the numbers of x and makes nan of a lane that meets a NaN all ones")
	x, lo, hi, nan, n := arg("x"), arg("lo"), arg("hi"), arg("nan"), arg("n")
	least, most := s.load(Mem{Base: lo}, nil), s.load(Mem{Base: hi}, nil)
	bad := s.clear()
	var seen Register
	if s.zmm {
		seen = K()
		KXORW(seen, seen, seen)
	}
	s.loop(n, func(tail Register) {
		v := s.load(Mem{Base: x}, tail)
		// Of two operands one of which is NaN, or of two zeros, the
		// instructions return the first one written here.
		if tail != nil {
			k := K()
			VCMPPS(U8(unordered), v, v, tail, k)
			KORW(k, seen, seen)
			VMINPS(least, v, tail, least)
			VMAXPS(most, v, tail, most)
		} else {
			if s.zmm {
				k := K()
				VCMPPS(U8(unordered), v, v, k)
				KORW(k, seen, seen)
			} else {
				b := s.vec()
				VCMPPS(U8(unordered), v, v, b)
				VPOR(b, bad, bad)
			}
			VMINPS(least, v, least)
			VMAXPS(most, v, most)
		}
		ADDQ(U8(uint8(s.bytes())), x)
	})
	if s.zmm {
		VPTERNLOGD(U8(255), bad, bad, bad)
		VMOVDQA32_Z(bad, seen, bad)
	}
	s.store(least, Mem{Base: lo}, nil)
	s.store(most, Mem{Base: hi}, nil)
	s.store(bad, Mem{Base: nan}, nil)
	VZEROUPPER()
	RET()
}
