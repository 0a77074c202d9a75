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
// and hands on each vector of sums, and of numbers, where somebody looks.
func (b block) dequantizeRows(vectors int, sums, numbers func(x VecVirtual, v int)) {
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
		if sums != nil {
			sums(x, v)
		}
		VCVTDQ2PS(x, x)
		VMULPS(scales[v], x, x)
		VADDPS(biases[v], x, x)
		s.store(x, Mem{Base: dst, Disp: v * s.bytes()}, b.each[v])
		if numbers != nil {
			numbers(x, v)
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
		b.dequantizeRows(vectors, nil, nil)
	})
}

// dequantizeMoments is dequantizeBlock that looks at the sums it takes.
func (s isa) dequantizeMoments() {
	s.oneOrTwo("dequantizeMoments", ", sum, low, high *int64, least, most *int32",
		"is dequantizeBlock that adds the sums over the rows of a = acc+add, and of the low and the high half of the sum of a*a, and widens the ends of a: sums of a fit 32 bits, of a*a 64", s.momentsOfBlock)
}

func (s isa) momentsOfBlock(b block, vectors int) {
	var sums, lows, highs [2]VecVirtual
	var squares [2][2]VecVirtual // of even and of odd columns
	for v := range vectors {
		sums[v], squares[v] = s.clear(), [2]VecVirtual{s.clear(), s.clear()}
		lows[v], highs[v] = s.constant(1<<31-1), s.constant(1<<31)
	}
	b.dequantizeRows(vectors, func(x VecVirtual, v int) {
		even, odd := s.vec(), s.vec()
		VPSRLQ(U8(32), x, odd)
		VPMULDQ(x, x, even)
		VPMULDQ(odd, odd, odd)
		VPADDQ(even, squares[v][0], squares[v][0])
		VPADDQ(odd, squares[v][1], squares[v][1])
		VPADDD(x, sums[v], sums[v])
		VPMINSD(x, lows[v], lows[v])
		VPMAXSD(x, highs[v], highs[v])
	}, nil)
	sum, low, high, least, most := arg("sum"), arg("low"), arg("high"), arg("least"), arg("most")
	for v := range vectors {
		lo, hi := s.load(b.vector(least, v), b.each[v]), s.load(b.vector(most, v), b.each[v])
		VPMINSD(lo, lows[v], lo)
		VPMAXSD(hi, highs[v], hi)
		s.store(lo, b.vector(least, v), b.each[v])
		s.store(hi, b.vector(most, v), b.each[v])
		s.inOrder(squares[v])
		for half := range 2 {
			wide, lower := s.vec(), s.vec()
			if s.zmm {
				y := YMM()
				VEXTRACTI64X4(U8(uint8(half)), sums[v], y)
				VPMOVSXDQ(y, wide)
			} else {
				x := XMM()
				VEXTRACTI128(U8(uint8(half)), sums[v], x)
				VPMOVSXDQ(x, wide)
			}
			b.addWide(wide, sum, v, half)
			q := squares[v][half]
			VPSLLQ(U8(32), q, lower)
			VPSRLQ(U8(32), lower, lower)
			VPSRLQ(U8(32), q, q)
			b.addWide(lower, low, v, half)
			b.addWide(q, high, v, half)
		}
	}
}

// inOrder makes of the 64-bit numbers of even and of odd columns those of the
// first and of the second half of the columns.
func (s isa) inOrder(q [2]VecVirtual) {
	if !s.zmm {
		l, h := YMM(), YMM()
		VPUNPCKLQDQ(q[1], q[0], l) // 0 1 4 5
		VPUNPCKHQDQ(q[1], q[0], h) // 2 3 6 7
		VPERM2I128(U8(0x20), h, l, q[0])
		VPERM2I128(U8(0x31), h, l, q[1])
		return
	}
	index := func(bytes uint64) VecVirtual {
		r, x, z := GP64(), XMM(), ZMM()
		MOVQ(U64(bytes), r)
		VMOVQ(r, x)
		VPMOVZXBQ(x, z)
		return z
	}
	first, second := index(0x0b03_0a02_0901_0800), index(0x0f07_0e06_0d05_0c04)
	VPERMI2Q(q[1], q[0], first)
	VPERMI2Q(q[1], q[0], second)
	VMOVDQU64(first, q[0])
	VMOVDQU64(second, q[1])
}

// addWide adds x to a half of vector v of 64-bit columns at base.
func (b block) addWide(x VecVirtual, base Register, v, half int) {
	to := Mem{Base: base, Disp: (2*v + half) * b.s.bytes()}
	if !b.s.zmm {
		VPADDQ(to, x, x)
		VMOVDQU(x, to)
		return
	}
	k, old := b.each[v], ZMM()
	if half == 1 {
		k = K()
		KSHIFTRW(U8(8), b.each[v], k)
	}
	VMOVDQU64_Z(to, k, old)
	VPADDQ(old, x, x)
	VMOVDQU64(x, k, to)
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
	b.dequantizeRows(vectors, nil, func(x VecVirtual, v int) {
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
