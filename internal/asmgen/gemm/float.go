package main

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

// cell is what one step of a sum takes from A and from B, 32 bits.
type cell struct {
	name, kind, element string
	mulAdd              func(b, x, acc VecPhysical)
}

var (
	cellF32  = cell{"F32", "float32", "elements", func(b, x, acc VecPhysical) { VFMADD231PS(b, x, acc) }}
	cellBF16 = cell{"BF16", "uint32", "sums of pairs", dotPairs}
)

func floats(s isa, c cell, arch string, widths ...int) {
	for _, h := range s.heights {
		for _, w := range widths {
			floatTile(s, c, arch, h, w)
		}
	}
}

// floatTile writes the kernel of h rows and w vectors of columns.
func floatTile(s isa, e cell, arch string, h, w int) {
	name := fmt.Sprintf("gemm%sTile%dx%d%s", e.name, h, w*s.lanes(), arch)
	mask := "mask uint64"
	if !s.zmm {
		mask = "mask *int32"
	}
	TEXT(name, NOSPLIT, "func(passes, k uintptr, a *"+e.kind+", rsA, csA uintptr, b *"+e.kind+", rsB uintptr, c *float32, ldc uintptr, add bool, "+mask+", blocks *int, count uintptr)")
	Pragma("noescape")
	Doc(fmt.Sprintf("%s computes tiles of %d x %d %s, passes of them below each other.", name, h, w*s.lanes(), e.element),
		"Strides are in bytes, those of blocks in cells; count, k and passes are at least 1; mask selects the columns of B and C.")
	local := AllocLocal(16)
	at, end := local, local.Offset(8) // The present block and the end of all.
	acc := func(r, v int) VecPhysical { return s.vec(r*w + v) }
	free := h * w
	b := make([]VecPhysical, w)
	for v := range b {
		b[v] = s.vec(free + v)
	}
	free += w
	tmp := min(s.registers()-free, 4)
	x := func(r int) VecPhysical { return s.vec(free + r%tmp) }

	Load(Param("a"), regA)
	Load(Param("rsA"), regRS)
	Load(Param("csA"), regCS)
	Load(Param("rsB"), regBS)
	Load(Param("c"), regC)
	Load(Param("ldc"), regLDC)
	rowStrides(h)
	if h >= prefetchHeight {
		LEAQ(Mem{Base: regBS, Index: regBS, Scale: 1}, regBS16)
	}
	if s.zmm {
		loadMasks(s, w, nil)
	}

	Label("pass")
	for r := range h {
		for v := range w {
			s.zero(acc(r, v))
		}
	}
	Load(Param("count"), regK)
	SHLQ(Imm(4), regK)
	Load(Param("blocks"), regP1)
	ADDQ(regP1, regK)
	MOVQ(regK, end)
	Label("block")
	MOVQ(regP1, at)
	MOVQ(Mem{Base: regP1, Disp: 8}, regB)
	SHLQ(Imm(2), regB)
	ADDQ(NewParamAddr("b", bOffset), regB)
	MOVQ(Mem{Base: regP1}, regP0)
	LEAQ(Mem{Base: regA, Index: regP0, Scale: 4}, regP0)
	secondRows(h)
	step := func() {
		for v := range w {
			m := Mem{Base: regB, Disp: v * s.bytes()}
			if s.zmm && v == w-1 {
				VMOVUPS_Z(m, []OpmaskPhysical{K1, K2}[v], b[v])
			} else {
				VMOVUPS(m, b[v])
			}
			if h >= prefetchHeight {
				m.Index, m.Scale = regBS16, 8
				PREFETCHT0(m)
			}
		}
		ADDQ(regBS, regB)
		for r := range h {
			VBROADCASTSS(rowAt(r, 0), x(r))
			for v := range w {
				e.mulAdd(b[v], x(r), acc(r, v))
			}
		}
		ADDQ(regCS, regP0)
		if h > 9 {
			ADDQ(regCS, regP1)
		}
	}
	const unroll = 4
	Load(Param("k"), regK)
	SUBQ(Imm(unroll), regK)
	JCS(LabelRef("tail"))
	Label("loop")
	for range unroll {
		step()
	}
	SUBQ(Imm(unroll), regK)
	JCC(LabelRef("loop"))
	Label("tail")
	ADDQ(Imm(unroll), regK)
	JEQ(LabelRef("done"))
	Label("one")
	step()
	SUBQ(Imm(1), regK)
	JNE(LabelRef("one"))

	Label("done")
	MOVQ(at, regP1)
	ADDQ(Imm(blockBytes), regP1)
	CMPQ(regP1, end)
	JNE(LabelRef("block"))
	floatStore(s, h, w, acc, b, x(0))
	nextPass(h, "pass")
	VZEROUPPER()
	RET()
}

// floatStore adds the tile to C or replaces C by it, and moves on to the rows
// of C below.
func floatStore(s isa, h, w int, acc func(r, v int) VecPhysical, masks []VecPhysical, tmp VecPhysical) {
	full := fullMasks(s, w)
	if !s.zmm {
		loadMasks(s, w, masks)
	}
	rows := func(f func(r, v int, m Mem)) {
		for r := range h {
			for v := range w {
				f(r, v, Mem{Base: regP0, Disp: v * s.bytes()})
			}
			ADDQ(regLDC, regP0)
		}
	}
	CMPB(NewParamAddr("add", addOffset), Imm(0))
	JEQ(LabelRef("store"))
	MOVQ(regC, regP0)
	rows(func(r, v int, m Mem) {
		if s.zmm {
			VADDPS(m, acc(r, v), []OpmaskPhysical{K1, K2}[v], acc(r, v))
		} else {
			VMASKMOVPS(m, masks[v], tmp)
			VADDPS(tmp, acc(r, v), acc(r, v))
		}
	})
	Label("store")
	MOVQ(regC, regP0)
	full("masked")
	rows(func(r, v int, m Mem) { VMOVUPS(acc(r, v), m) })
	JMP(LabelRef("stored"))
	Label("masked")
	rows(func(r, v int, m Mem) {
		if s.zmm {
			VMOVUPS(acc(r, v), []OpmaskPhysical{K1, K2}[v], m)
		} else {
			VMASKMOVPS(acc(r, v), masks[v], m)
		}
	})
	Label("stored")
	MOVQ(regP0, regC)
}

// Where arguments lie, and the size of a block.
const (
	bOffset    = 40
	addOffset  = 72
	blockBytes = 16
)

// prefetchHeight is the height from which tiles have time to ask for rows of
// B to come.
const prefetchHeight = 6

// loadMasks loads the masks of the columns.
func loadMasks(s isa, w int, masks []VecPhysical) {
	Load(Param("mask"), RCX)
	if s.zmm {
		KMOVW(ECX, K1)
		if w > 1 {
			SHRQ(Imm(16), RCX)
			KMOVW(ECX, K2)
		}
		return
	}
	for v, m := range masks {
		VMOVDQU(Mem{Base: RCX, Disp: 32 * v}, m)
	}
}

// fullMasks returns a function that jumps to label unless all columns are
// wanted. Only the last can tell: narrower tiles serve fewer vectors.
func fullMasks(s isa, w int) func(label string) {
	return func(label string) {
		Load(Param("mask"), RCX)
		if s.zmm {
			BTQ(Imm(uint64(16*w-1)), RCX)
			JCC(LabelRef(label))
		} else {
			CMPL(Mem{Base: RCX, Disp: 32*w - 4}, Imm(0))
			JEQ(LabelRef(label))
		}
	}
}

// transposeF32 writes the kernel that turns 8 columns of a packed panel.
func transposeF32() {
	TEXT("transposeF32x8AVX2", NOSPLIT, "func(blocks uintptr, dst *float32, dstStride uintptr, src *float32, srcStride uintptr)")
	Pragma("noescape")
	Doc("transposeF32x8AVX2 copies 8 rows of src, 8 x blocks elements each, to the first 8 columns of dst. Strides are in bytes.")
	s := isa{}
	Load(Param("blocks"), regK)
	Load(Param("dst"), regC)
	Load(Param("dstStride"), regLDC)
	Load(Param("src"), regA)
	Load(Param("srcStride"), regRS)
	rowStrides(8)
	Label("loop")
	MOVQ(regA, regP0)
	y := s.vec
	for r := range 8 {
		VMOVUPS(rowAt(r, 0), y(r))
	}
	for i := range 4 {
		VUNPCKLPS(y(2*i+1), y(2*i), y(8+2*i))
		VUNPCKHPS(y(2*i+1), y(2*i), y(9+2*i))
	}
	// y8..15 hold pairs of rows; columns (0,1,4,5) in even, (2,3,6,7) in odd ones.
	for i := range 2 { // Four rows 4i..4i+3: columns c and c+4 in y(4i+c).
		lo, hi := 8+4*i, 10+4*i
		VSHUFPS(Imm(0x44), y(hi), y(lo), y(4*i))
		VSHUFPS(Imm(0xEE), y(hi), y(lo), y(4*i+1))
		VSHUFPS(Imm(0x44), y(hi+1), y(lo+1), y(4*i+2))
		VSHUFPS(Imm(0xEE), y(hi+1), y(lo+1), y(4*i+3))
	}
	for c := range 4 {
		VPERM2F128(Imm(0x20), y(4+c), y(c), y(8+c))
		VPERM2F128(Imm(0x31), y(4+c), y(c), y(12+c))
	}
	for c := range 8 {
		VMOVUPS(y(8+c), Mem{Base: regC})
		ADDQ(regLDC, regC)
	}
	ADDQ(Imm(32), regA)
	SUBQ(Imm(1), regK)
	JNE(LabelRef("loop"))
	VZEROUPPER()
	RET()
}
