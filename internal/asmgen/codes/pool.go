package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

// largest writes the maximum of the taps of a window, channel by channel, for
// pixels in a row. Without masks the last channels of a pixel are done by a
// vector that ends with them.
func (s isa) largest(name string, signed bool) {
	suffix, width, count := "AVX2", 32, "channels is at least 32."
	if s.zmm {
		suffix, width, count = "AVX512", 64, "channels is at least 1."
	}
	name = "largest" + name + suffix
	TEXT(name, NOSPLIT, "func(pixels, channels uintptr, x *byte, stride uintptr, taps uintptr, offsets *int, dst *byte)")
	Doc(name+" writes, for pixels that are stride bytes apart, the largest codes at offsets of them; "+count, "There are at least one pixel and one tap.")
	Pragma("noescape")
	pixels, channels, x, stride := arg("pixels"), arg("channels"), arg("x"), arg("stride")
	taps, offsets, dst := arg("taps"), arg("offsets"), arg("dst")
	larger := func(m Mem, v VecVirtual) {
		switch {
		case signed:
			VPMAXSB(m, v, v)
		default:
			VPMAXUB(m, v, v)
		}
	}
	c, t, at := GP64(), GP64(), GP64()
	var tail Register
	if s.zmm {
		tail = K()
		ones := GP64()
		MOVQ(channels, RCX)
		ANDQ(U8(63), RCX)
		MOVQ(U32(1), ones)
		SHLQ(CL, ones)
		DECQ(ones)
		KMOVQ(ones, tail)
	}
	window := func(label string, k Register) VecVirtual {
		v := s.vec()
		load := func(m Mem, first bool) {
			switch {
			case k != nil && first:
				VMOVDQU8_Z(m, k, v)
			case k != nil:
				w := s.vec()
				VMOVDQU8_Z(m, k, w)
				if signed {
					VPMAXSB(w, v, v)
				} else {
					VPMAXUB(w, v, v)
				}
			case first && s.zmm:
				VMOVDQU8(m, v)
			case first:
				VMOVDQU(m, v)
			default:
				larger(m, v)
			}
		}
		base := GP64()
		LEAQ(Mem{Base: x, Index: c, Scale: 1}, base)
		MOVQ(Mem{Base: offsets}, at)
		load(Mem{Base: base, Index: at, Scale: 1}, true)
		MOVQ(U32(1), t)
		JMP(LabelRef(label + "test"))
		Label(label)
		MOVQ(Mem{Base: offsets, Index: t, Scale: 8}, at)
		load(Mem{Base: base, Index: at, Scale: 1}, false)
		INCQ(t)
		Label(label + "test")
		CMPQ(t, taps)
		JLT(LabelRef(label))
		return v
	}
	last := GP64()
	Label("pixel")
	XORQ(c, c)
	MOVQ(channels, last)
	SUBQ(U8(uint8(width)), last)
	JLT(LabelRef("rest"))
	Label("channels")
	v := window("tap", nil)
	if s.zmm {
		VMOVDQU8(v, Mem{Base: dst, Index: c, Scale: 1})
	} else {
		VMOVDQU(v, Mem{Base: dst, Index: c, Scale: 1})
	}
	ADDQ(U8(uint8(width)), c)
	CMPQ(c, last)
	JLE(LabelRef("channels"))
	Label("rest")
	CMPQ(c, channels)
	JGE(LabelRef("next"))
	if s.zmm {
		VMOVDQU8(window("side", tail), tail, Mem{Base: dst, Index: c, Scale: 1})
	} else {
		MOVQ(last, c)
		JMP(LabelRef("channels"))
	}
	Label("next")
	ADDQ(stride, x)
	ADDQ(channels, dst)
	DECQ(pixels)
	JNE(LabelRef("pixel"))
	VZEROUPPER()
	RET()
}
