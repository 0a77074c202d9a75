package main

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

// block is a loop over the rows of a block of sums, two vectors wide.
type block struct {
	s    isa
	cols Register    // of the block
	each [2]Register // columns of the vectors, with ZMM
	all  Register    // columns as bytes, with ZMM
}

// beginBlock starts a function; doc follows its name.
func (s isa) beginBlock(name, args, doc string) block { return s.beginVectors(2, name, args, doc) }

// beginVectors is beginBlock for a block that is one vector wide, or two.
func (s isa) beginVectors(vectors int, name, args, doc string) block {
	suffix, count := "AVX2", fmt.Sprintf("There are %d columns.", vectors*s.lanes())
	if s.zmm {
		suffix, count = "AVX512", fmt.Sprintf("There are cols columns, at most %d.", vectors*s.lanes())
	}
	TEXT(name+suffix, NOSPLIT, "func("+args+")")
	Doc(name+suffix+" "+doc+".", count, "Distances from row to row are in bytes.")
	Pragma("noescape")
	b := block{s: s}
	if s.zmm {
		b.cols = arg("cols")
		ones := GP64()
		MOVQ(b.cols, RCX)
		MOVQ(U32(1), ones)
		SHLQ(CL, ones)
		DECQ(ones)
		b.each, b.all = [2]Register{K(), K()}, K()
		KMOVD(ones.As32(), b.all)
		KMOVW(ones.As32(), b.each[0])
		SHRQ(U8(16), ones)
		KMOVW(ones.As32(), b.each[1])
	}
	return b
}

// column returns vector v of the columns at base, kept in a register if there
// are many.
func (b block) column(base Register, v int) Op {
	m := Mem{Base: base, Disp: v * b.s.bytes()}
	if !b.s.zmm {
		return m
	}
	return b.s.load(m, b.each[v])
}

// sums returns vector v of the sums at acc.
func (b block) sums(acc Register, v int) VecVirtual {
	m := Mem{Base: acc, Disp: v * b.s.bytes()}
	if !b.s.zmm {
		return b.s.load(m, nil)
	}
	return b.s.load(m, b.each[v])
}

// word returns a field of the parameters in all 16-bit lanes.
func (s isa) word(p Register, at int) VecVirtual {
	v := s.vec()
	VPBROADCASTW(Mem{Base: p, Disp: at}, v)
	return v
}

// order returns the permutation that sorts the bytes of two rows that were
// packed lane by lane.
func (s isa) order() VecVirtual {
	v, x, r := s.vec(), XMM(), GP64()
	if !s.zmm {
		MOVQ(U64(0x0703_0602_0501_0400), r)
		VMOVQ(r, x)
	} else {
		MOVQ(U64(0x0d09_0501_0c08_0400), r)
		VMOVQ(r, x)
		MOVQ(U64(0x0f0b_0703_0e0a_0602), r)
		VPINSRQ(U8(1), r, x, x)
	}
	VPMOVZXBD(x, v)
	return v
}

// kept returns a function that gives what make makes: once, where there are
// registers to keep it, else each time.
func (s isa) kept(make func() VecVirtual) func() VecVirtual {
	if !s.zmm {
		return make
	}
	v := make()
	return func() VecVirtual { return v }
}

// codeBlock writes the loop that makes codes of the sums by integers, which
// gets a vector of sums and which of the two it is of its row.
func (b block) codeBlock(integers func(x VecVirtual, v int) VecVirtual) {
	s := b.s
	dst, ldd, mask, ldm := arg("dst"), arg("ldd"), arg("mask"), arg("ldm")
	acc, lda, p, rows := arg("acc"), arg("lda"), arg("p"), arg("rows")
	lo, hi := s.kept(func() VecVirtual { return s.word(p, atLo) }), s.kept(func() VecVirtual { return s.word(p, atHi) })
	after, flip := s.kept(func() VecVirtual { return s.word(p, atAfter) }), s.kept(func() VecVirtual { return s.field(p, atNone) })
	order := s.kept(s.order)
	var bits Register // bytes of a row of the mask
	if s.zmm {
		ones, count := GP64(), GP64()
		MOVQ(b.cols, count)
		SHRQ(U8(3), count)
		MOVQ(count, RCX)
		MOVQ(U32(1), ones)
		SHLQ(CL, ones)
		DECQ(ones)
		bits = K()
		KMOVW(ones.As32(), bits)
	}
	two := func(name string, pair bool) {
		var w [2]VecVirtual
		for r := range w {
			if r == 1 && !pair {
				w[1] = w[0]
				break
			}
			q0 := integers(b.sums(acc, 0), 0)
			q1 := integers(b.sums(acc, 1), 1)
			w[r] = s.vec()
			VPACKSSDW(q1, q0, w[r])
			ADDQ(lda, acc)
		}
		var c [2]VecVirtual
		least, most := lo(), hi()
		for r := range c {
			if r == 1 && !pair {
				c[1] = c[0]
				break
			}
			c[r] = s.vec()
			VPMAXSW(least, w[r], c[r])
			VPMINSW(most, c[r], c[r])
		}
		TESTQ(mask, mask)
		JE(LabelRef(name + "codes"))
		d0, d1 := s.vec(), s.vec()
		VPSUBW(c[0], w[0], d0)
		VPSUBW(c[1], w[1], d1)
		VPACKSSWB(d1, d0, d0)
		VPERMD(d0, order(), d0)
		in := GP64()
		if s.zmm {
			k, x := K(), XMM()
			VPTESTNMB(d0, d0, k)
			KMOVQ(k, in)
			VMOVQ(in, x)
			VMOVDQU8(x, bits, Mem{Base: mask})
			ADDQ(ldm, mask)
			if pair {
				VPSRLQ(U8(32), x, x)
				VMOVDQU8(x, bits, Mem{Base: mask})
				ADDQ(ldm, mask)
			}
		} else {
			VPCMPEQB(s.clear(), d0, d0)
			VPMOVMSKB(d0, in.As32())
			MOVW(in.As16(), Mem{Base: mask})
			ADDQ(ldm, mask)
			if pair {
				SHRL(U8(16), in.As32())
				MOVW(in.As16(), Mem{Base: mask})
				ADDQ(ldm, mask)
			}
		}
		Label(name + "codes")
		zero := after()
		for r := range c {
			if r == 0 || pair {
				VPADDW(zero, c[r], c[r])
			}
		}
		y := s.vec()
		VPACKUSWB(c[1], c[0], y)
		VPERMD(y, order(), y)
		if s.zmm {
			VPXORD(flip(), y, y)
		} else {
			VPXOR(flip(), y, y)
		}
		b.codes(y, dst, ldd, pair)
	}
	Label("rows")
	CMPQ(rows, U8(2))
	JLT(LabelRef("last"))
	two("pair", true)
	SUBQ(U8(2), rows)
	JMP(LabelRef("rows"))
	Label("last")
	TESTQ(rows, rows)
	JE(LabelRef("done"))
	two("single", false)
	Label("done")
	VZEROUPPER()
	RET()
}

const blockArgs = "dst *byte, ldd uintptr, mask *byte, ldm uintptr, acc *int32, lda uintptr, add *int32"

func (s isa) requantizeBlock() {
	b := s.beginBlock("requantizeBlock", blockArgs+", m *float32, p *[12]uint32, rows, cols uintptr",
		"writes the codes, and unless mask is nil the mask bits, of the sums acc+add times m")
	add, m := arg("add"), arg("m")
	high := s.field(arg("p"), atHigh)
	adds, ms := [2]Op{b.column(add, 0), b.column(add, 1)}, [2]Op{b.column(m, 0), b.column(m, 1)}
	b.codeBlock(func(x VecVirtual, v int) VecVirtual {
		VPADDD(adds[v], x, x)
		VCVTDQ2PS(x, x)
		VMULPS(ms[v], x, x)
		// Below what an int32 holds the conversion gives the lowest one.
		VMINPS(high, x, x)
		VCVTPS2DQ(x, x)
		return x
	})
}

// requantizeBlockSmall is requantizeBlock without a mask and for multipliers of
// at most a half, whose products fit an int32. Sums are clamped as bytes.
func (s isa) requantizeBlockSmall() {
	b := s.beginBlock("requantizeBlockSmall", "dst *byte, ldd uintptr, acc *int32, lda uintptr, add *int32, m *float32, p *[12]uint32, rows, cols uintptr",
		"writes the codes of the sums acc+add times m, of which none is above a half")
	add, m := arg("add"), arg("m")
	adds, ms := [2]Op{b.column(add, 0), b.column(add, 1)}, [2]Op{b.column(m, 0), b.column(m, 1)}
	dst, ldd, acc, lda, p, rows := arg("dst"), arg("ldd"), arg("acc"), arg("lda"), arg("p"), arg("rows")
	after, flip := s.kept(func() VecVirtual { return s.word(p, atAfter) }), s.kept(func() VecVirtual { return s.field(p, atNone) })
	least, most := s.byte(p, atLow), s.byte(p, atHigh)
	order := s.kept(s.order)
	two := func(pair bool) {
		var w [2]VecVirtual
		for r := range w {
			if r == 1 && !pair {
				w[1] = w[0]
				break
			}
			var q [2]VecVirtual
			for v := range q {
				x := b.sums(acc, v)
				VPADDD(adds[v], x, x)
				VCVTDQ2PS(x, x)
				VMULPS(ms[v], x, x)
				VCVTPS2DQ(x, x)
				q[v] = x
			}
			w[r] = s.vec()
			VPACKSSDW(q[1], q[0], w[r])
			VPADDSW(after(), w[r], w[r])
			ADDQ(lda, acc)
		}
		y := s.vec()
		VPACKUSWB(w[1], w[0], y)
		VPMAXUB(least, y, y)
		VPMINUB(most, y, y)
		VPERMD(y, order(), y)
		if s.zmm {
			VPXORD(flip(), y, y)
		} else {
			VPXOR(flip(), y, y)
		}
		b.codes(y, dst, ldd, pair)
	}
	Label("rows")
	CMPQ(rows, U8(2))
	JLT(LabelRef("last"))
	two(true)
	SUBQ(U8(2), rows)
	JMP(LabelRef("rows"))
	Label("last")
	TESTQ(rows, rows)
	JE(LabelRef("done"))
	two(false)
	Label("done")
	VZEROUPPER()
	RET()
}

// byte is word for bytes.
func (s isa) byte(p Register, at int) VecVirtual {
	v := s.vec()
	VPBROADCASTB(Mem{Base: p, Disp: at}, v)
	return v
}

// codes stores the codes y of one row or of two.
func (b block) codes(y VecVirtual, dst, ldd Register, pair bool) {
	if b.s.zmm {
		VMOVDQU8(y.AsY(), b.all, Mem{Base: dst})
		ADDQ(ldd, dst)
		if pair {
			high := YMM()
			VEXTRACTI64X4(U8(1), y, high)
			VMOVDQU8(high, b.all, Mem{Base: dst})
			ADDQ(ldd, dst)
		}
		return
	}
	VMOVDQU(y.AsX(), Mem{Base: dst})
	ADDQ(ldd, dst)
	if pair {
		VEXTRACTI128(U8(1), y, Mem{Base: dst})
		ADDQ(ldd, dst)
	}
}

// requantizeBlockFixed is requantizeFixed for a block.
func (s isa) requantizeBlockFixed(double bool) {
	name, doc := "requantizeBlockSingle", ", rounded once"
	if double {
		name, doc = "requantizeBlockDouble", ", rounded twice"
	}
	b := s.beginBlock(name, blockArgs+", m, left, right *int32, p *[12]uint32, rows, cols uintptr",
		"writes the codes, and unless mask is nil the mask bits, of the sums acc+add times m * 2^(left-right-31)"+doc)
	add, m, left, right := arg("add"), arg("m"), arg("left"), arg("right")
	var adds, ms, lefts, rights [2]Op
	for v := range adds {
		adds[v], ms[v], lefts[v], rights[v] = b.column(add, v), b.column(m, v), b.column(left, v), b.column(right, v)
	}
	register := func(o Op) VecVirtual {
		if v, ok := o.(VecVirtual); ok {
			return v
		}
		return s.load(o.(Mem), nil)
	}
	f := s.fixed(double)
	b.codeBlock(func(x VecVirtual, v int) VecVirtual {
		VPADDD(adds[v], x, x)
		odd := s.vec()
		VPSRLQ(U8(32), register(ms[v]), odd)
		return f.multiply(x, ms[v], odd, register(lefts[v]), register(rights[v]))
	})
}
