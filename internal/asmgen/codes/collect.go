package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

const collectArgs = "dst *float32, ldd uintptr, acc *int32, lda uintptr, add *int32, scale, bias *float32"

// oneOrTwo writes a function for blocks of up to two vectors, and one for
// those of one.
func (s isa) oneOrTwo(name, args, doc string, body func(b block, vectors int)) {
	for vectors, suffix := range []string{"", "Narrow", ""} {
		if vectors == 0 {
			continue
		}
		b := s.beginVectors(vectors, name+suffix, collectArgs+args+", rows, cols uintptr", doc)
		body(b, vectors)
		VZEROUPPER()
		RET()
	}
}

// dequantizeRows writes the loop over the rows of a block that dequantizes it
// and hands each vector of numbers to look.
func (b block) dequantizeRows(vectors int, look func(x VecVirtual, v int)) {
	s := b.s
	dst, ldd, acc, lda, rows := arg("dst"), arg("ldd"), arg("acc"), arg("lda"), arg("rows")
	add, scale, bias := arg("add"), arg("scale"), arg("bias")
	var adds, scales, biases [2]Op
	for v := range vectors {
		adds[v], scales[v], biases[v] = b.column(add, v), b.column(scale, v), b.column(bias, v)
	}
	Label("rows")
	for v := range vectors {
		x := b.sums(acc, v)
		VPADDD(adds[v], x, x)
		VCVTDQ2PS(x, x)
		VMULPS(scales[v], x, x)
		VADDPS(biases[v], x, x)
		s.store(x, Mem{Base: dst, Disp: v * s.bytes()}, b.each[v])
		if look != nil {
			look(x, v)
		}
	}
	ADDQ(lda, acc)
	ADDQ(ldd, dst)
	DECQ(rows)
	JNE(LabelRef("rows"))
}

// vector returns where vector v of float32 columns at base is.
func (b block) vector(base Register, v int) Mem { return Mem{Base: base, Disp: v * b.s.bytes()} }

func (s isa) dequantizeBlock() {
	s.oneOrTwo("dequantizeBlock", "", "writes (acc+add) * scale + bias, every step rounded", func(b block, vectors int) {
		b.dequantizeRows(vectors, nil)
	})
}

// dequantizeMoments is dequantizeBlock that looks at what it writes.
func (s isa) dequantizeMoments() {
	s.oneOrTwo("dequantizeMoments", ", shift *float32, sum, square *float64, least, most *float32",
		"is dequantizeBlock that adds the sums over the rows of y - shift and of its square and widens the ends of y", s.momentsOfBlock)
}

func (s isa) momentsOfBlock(b block, vectors int) {
	shift, sum, square, least, most := arg("shift"), arg("sum"), arg("square"), arg("least"), arg("most")
	var shifts [2]Op
	var sums, squares, lows, highs [2]VecVirtual
	for v := range vectors {
		shifts[v] = b.column(shift, v)
		sums[v], squares[v] = s.clear(), s.clear()
		lows[v], highs[v] = s.load(b.vector(least, v), b.each[v]), s.load(b.vector(most, v), b.each[v])
	}
	b.dequantizeRows(vectors, func(x VecVirtual, v int) {
		// Of two operands one of which is NaN the instructions return the
		// first one written here.
		VMINPS(lows[v], x, lows[v])
		VMAXPS(highs[v], x, highs[v])
		VSUBPS(shifts[v], x, x)
		VADDPS(x, sums[v], sums[v])
		VMULPS(x, x, x)
		VADDPS(x, squares[v], squares[v])
	})
	for v := range vectors {
		s.store(lows[v], b.vector(least, v), b.each[v])
		s.store(highs[v], b.vector(most, v), b.each[v])
		b.widen(sums[v], sum, v)
		b.widen(squares[v], square, v)
	}
}

// widen adds vector v of float32 sums to the float64 at base.
func (b block) widen(sum VecVirtual, base Register, v int) {
	s := b.s
	for half := range 2 {
		to := Mem{Base: base, Disp: (2*v + half) * s.bytes()}
		if !s.zmm {
			x, wide := XMM(), YMM()
			VEXTRACTF128(U8(uint8(half)), sum, x)
			VCVTPS2PD(x, wide)
			VADDPD(to, wide, wide)
			VMOVUPD(wide, to)
			continue
		}
		k, y, wide, old := b.each[v], YMM(), ZMM(), ZMM()
		if half == 1 {
			k = K()
			KSHIFTRW(U8(8), b.each[v], k)
		}
		VEXTRACTF64X4(U8(uint8(half)), sum, y)
		VCVTPS2PD(y, wide)
		VMOVUPD_Z(to, k, old)
		VADDPD(old, wide, wide)
		VMOVUPD(wide, k, to)
	}
}

// dequantizeEnds is dequantizeBlock that looks at what it writes.
func (s isa) dequantizeEnds() {
	s.oneOrTwo("dequantizeEnds", ", least, most *float32", "is dequantizeBlock that widens the ends of y, which a NaN makes NaN for good", s.endsOfBlock)
}

func (s isa) endsOfBlock(b block, vectors int) {
	least, most := arg("least"), arg("most")
	var lows, highs, bad [2]VecVirtual
	var seen [2]Register
	for v := range vectors {
		lows[v], highs[v] = s.load(b.vector(least, v), b.each[v]), s.load(b.vector(most, v), b.each[v])
		if s.zmm {
			seen[v] = K()
			KXORW(seen[v], seen[v], seen[v])
		} else {
			bad[v] = s.clear()
		}
	}
	b.dequantizeRows(vectors, func(x VecVirtual, v int) {
		VMINPS(lows[v], x, lows[v])
		VMAXPS(highs[v], x, highs[v])
		if s.zmm {
			k := K()
			VCMPPS(U8(unordered), x, x, k)
			KORW(k, seen[v], seen[v])
		} else {
			VCMPPS(U8(unordered), x, x, x)
			VORPS(x, bad[v], bad[v])
		}
	})
	for v := range vectors {
		if s.zmm { // All ones are a NaN.
			VPTERNLOGD(U8(255), lows[v], lows[v], seen[v], lows[v])
			VPTERNLOGD(U8(255), highs[v], highs[v], seen[v], highs[v])
		} else {
			VORPS(bad[v], lows[v], lows[v])
			VORPS(bad[v], highs[v], highs[v])
		}
		s.store(lows[v], b.vector(least, v), b.each[v])
		s.store(highs[v], b.vector(most, v), b.each[v])
	}
}
