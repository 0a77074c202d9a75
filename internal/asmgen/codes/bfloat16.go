package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

// expandBF16 writes the loop from bfloat16 to float32.
func (s isa) expandBF16() {
	s.begin("expandBF16", "dst *float32, x *uint16, n uintptr", "writes the bfloat16 x as float32")
	dst, x, n := arg("dst"), arg("x"), arg("n")
	s.loop(n, func(tail Register) {
		v := s.vec()
		if tail != nil {
			VPMOVZXWD_Z(Mem{Base: x}, tail, v)
		} else {
			VPMOVZXWD(Mem{Base: x}, v)
		}
		VPSLLD(U8(16), v, v)
		s.store(v, Mem{Base: dst}, tail)
		ADDQ(U8(uint8(2*s.lanes())), x)
		ADDQ(U8(uint8(s.bytes())), dst)
	})
	VZEROUPPER()
	RET()
}

// roundBF16 writes the loop from float32 to bfloat16. It adds integers, as the
// instruction for it (VCVTNEPS2BF16) makes zeros of subnormal numbers.
func (s isa) roundBF16() {
	s.begin("roundBF16", "dst *uint16, x *float32, n uintptr", "writes x as the nearest bfloat16, ties to even")
	dst, x, n := arg("dst"), arg("x"), arg("n")
	half, one, quiet := s.constant(0x7fff), s.constant(1), s.constant(0x40)
	s.loop(n, func(tail Register) {
		v, high, u := s.load(Mem{Base: x}, tail), s.vec(), s.vec()
		VPSRLD(U8(16), v, high)
		if s.zmm {
			VPANDD(one, high, u)
		} else {
			VPAND(one, high, u)
		}
		VPADDD(half, u, u)
		VPADDD(v, u, u)
		VPSRLD(U8(16), u, u)
		// Of NaNs the high half, made quiet.
		if s.zmm {
			nan := K()
			VCMPPS(U8(unordered), v, v, nan)
			VPORD(quiet, high, nan, u)
			if tail != nil {
				VPMOVDW(u, tail, Mem{Base: dst})
			} else {
				VPMOVDW(u, Mem{Base: dst})
			}
		} else {
			nan := s.vec()
			VCMPPS(U8(unordered), v, v, nan)
			VPOR(quiet, high, high)
			VPBLENDVB(nan, high, u, u)
			top := XMM()
			VEXTRACTI128(U8(1), u, top)
			VPACKUSDW(top, u.AsX(), top)
			VMOVDQU(top, Mem{Base: dst})
		}
		ADDQ(U8(uint8(2*s.lanes())), dst)
		ADDQ(U8(uint8(s.bytes())), x)
	})
	VZEROUPPER()
	RET()
}
