package main

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/ir"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

// dot writes the products of one group of four codes of h rows with w vectors
// of channels. free are the registers behind the tile; group counts the
// groups since the pointers moved.
type dot struct {
	groupBytes int // of a row of A
	write      func(s isa, h, w, group int, acc func(r, v int) VecPhysical, free []VecPhysical)
}

func ints(s isa, dtype, arch string, d dot, widths ...int) {
	heights := []int{14, 8, 7, 4, 2, 1}
	if !s.zmm {
		heights = []int{6, 4, 3, 2, 1}
	}
	for _, h := range heights {
		for _, w := range widths {
			intTile(s, dtype, arch, d, h, w, false)
			if s.zmm && d.groupBytes == 4 {
				intTile(s, dtype, arch, d, h, w, true)
			}
		}
	}
}

// channels returns the operand for vector v of the channels at a group.
func channels(s isa, v, group int) Mem {
	if s.zmm && v == 1 { // The panel behind.
		return Mem{Base: regB, Index: regBS, Scale: 1, Disp: 64 * group}
	}
	return Mem{Base: regB, Disp: 64*group + s.bytes()*v}
}

var (
	dotBytesEVEX = dot{4, func(s isa, h, w, group int, acc func(r, v int) VecPhysical, free []VecPhysical) {
		b, x := free[:w], free[w:]
		for v := range w {
			VMOVDQU32(channels(s, v, group), b[v])
		}
		for r := range h {
			t := x[r%min(len(x), 4)]
			VPBROADCASTD(codesAt(h, r, 4*group), t)
			for v := range w {
				VPDPBUSD(b[v], t, acc(r, v))
			}
		}
	}}
	dotBytesVEX = dot{4, func(s isa, h, w, group int, acc func(r, v int) VecPhysical, free []VecPhysical) {
		b, x := free[:w], free[w:]
		for v := range w {
			VMOVDQU(channels(s, v, group), b[v])
		}
		for r := range h {
			t := x[r%min(len(x), 4)]
			VPBROADCASTD(codesAt(h, r, 4*group), t)
			for v := range w {
				dotVEX(b[v], t, acc(r, v))
			}
		}
	}}
	// dotWords multiplies 16-bit pairs: exact, as no sum of bytes is in 16
	// bits. Codes (0,2) and (1,3) of a group are the pairs, for which the
	// even and the odd bytes of the weights are widened in place.
	dotWords = dot{8, func(s isa, h, w, group int, acc func(r, v int) VecPhysical, free []VecPhysical) {
		even, odd, x, t := free[0], free[1], free[2], free[3]
		for v := range w {
			if s.zmm {
				VMOVDQU32(channels(s, v, group), odd)
			} else {
				VMOVDQU(channels(s, v, group), odd)
			}
			VPSLLW(Imm(8), odd, even)
			VPSRAW(Imm(8), even, even)
			VPSRAW(Imm(8), odd, odd)
			for r := range h {
				for i, pair := range []VecPhysical{even, odd} {
					VPBROADCASTD(codesAt(h, r, 8*group+4*i), x)
					VPMADDWD(pair, x, t)
					VPADDD(t, acc(r, v), acc(r, v))
				}
			}
		}
	}}
)

// dotVEX is the VEX form of VPDPBUSD of AVX-VNNI, which neither avo nor the
// assembler knows: VEX.256.66.0F38.W0 50 /r.
func dotVEX(weights, codes, acc VecPhysical) {
	b, x, a := index(weights), index(codes), index(acc)
	Comment(fmt.Sprintf("VPDPBUSD Y%d, Y%d, Y%d", b, x, a))
	for _, v := range []int{
		0xC4,
		(a>>3^1)<<7 | 0x40 | (b>>3^1)<<5 | 0x02,
		(^x&15)<<3 | 0x05,
		0x50,
		0xC0 | (a&7)<<3 | b&7,
	} {
		Instruction(&ir.Instruction{Opcode: "BYTE", Operands: []Op{U8(v)}})
	}
}

// Registers of the integer kernels that others use otherwise.
var (
	regTap    = R12 // offset of the next tap
	regTaps   = R13 // taps left
	regGroups = R15 // groups of a tap
)

// codesAt returns the operand for row r of h at byte disp. The rows of an even
// height are two sets, each evenly spaced, so that they may be of two lines of
// an image.
func codesAt(h, r, disp int) Mem {
	m := Mem{Base: regP0, Disp: disp, Scale: 1}
	if h%2 == 0 && r >= h/2 {
		m.Base, r = regP1, r-h/2
	}
	switch r {
	case 0:
		m.Scale = 0
	case 1, 2, 4:
		m.Index, m.Scale = regRS, uint8(r)
	case 3:
		m.Index = regRS3
	case 5:
		m.Index = regRS5
	case 6:
		m.Index, m.Scale = regRS3, 2
	default:
		panic("row beyond the registers")
	}
	return m
}

// intTile writes the integer kernel of h rows and w vectors of channels; codes
// is the one that makes codes of its sums.
func intTile(s isa, dtype, arch string, d dot, h, w int, codes bool) {
	name := fmt.Sprintf("gemm%sTile%dx%d%s", dtype, h, w*s.lanes(), arch)
	result, made := "c *int32, ldc uintptr", "sums"
	if codes {
		name = fmt.Sprintf("gemm%sCodes%dx%d%s", dtype, h, w*s.lanes(), arch)
		result, made = "c *byte, ldc uintptr, m *float32, p *[20]uint32", "codes"
	}
	elem, mask := "byte", "mask uint64"
	if d.groupBytes == 8 {
		elem = "int16"
	}
	if !s.zmm {
		mask = "mask *int32"
	}
	TEXT(name, NOSPLIT, "func(passes, groups uintptr, a *"+elem+", stride, jump, next, taps uintptr, offsets *int, b *byte, panel uintptr, init *int32, "+result+", "+mask+")")
	Pragma("noescape")
	Doc(fmt.Sprintf("%s computes tiles of %d x %d %s, passes of them below each other.", name, h, w*s.lanes(), made),
		"Strides and offsets are in bytes: from row to row, from the first row to that of the second half, and",
		"from pass to pass. passes, taps and groups are at least 1; mask selects the columns to store.")
	acc := func(r, v int) VecPhysical { return s.vec(r*w + v) }
	var free []VecPhysical
	for i := h * w; i < s.registers(); i++ {
		free = append(free, s.vec(i))
	}
	Load(Param("a"), regA)
	Load(Param("stride"), regRS)
	Load(Param("panel"), regBS)
	Load(Param("c"), regC)
	Load(Param("ldc"), regLDC)
	Load(Param("groups"), regGroups)
	rows := h
	if h%2 == 0 {
		rows = h / 2
	}
	if rows > 3 {
		LEAQ(Mem{Base: regRS, Index: regRS, Scale: 2}, regRS3)
	}
	if rows > 5 {
		LEAQ(Mem{Base: regRS, Index: regRS, Scale: 4}, regRS5)
	}

	Label("pass")
	Load(Param("init"), regB)
	for v := range w {
		if s.zmm {
			VMOVDQU32(Mem{Base: regB, Disp: v * s.bytes()}, acc(0, v))
		} else {
			VMOVDQU(Mem{Base: regB, Disp: v * s.bytes()}, acc(0, v))
		}
		for r := 1; r < h; r++ {
			if s.zmm {
				VMOVDQA32(acc(0, v), acc(r, v))
			} else {
				VMOVDQA(acc(0, v), acc(r, v))
			}
		}
	}
	Load(Param("b"), regB)
	Load(Param("offsets"), regTap)
	Load(Param("taps"), regTaps)
	move := func(groups int) {
		ADDQ(Imm(uint64(groups*d.groupBytes)), regP0)
		if h%2 == 0 {
			ADDQ(Imm(uint64(groups*d.groupBytes)), regP1)
		}
		ADDQ(I32(int32(64*groups)), regB)
	}
	Label("tap")
	MOVQ(regA, regP0)
	ADDQ(Mem{Base: regTap}, regP0)
	ADDQ(Imm(8), regTap)
	if h%2 == 0 {
		MOVQ(regP0, regP1)
		ADDQ(NewParamAddr("jump", 32), regP1)
	}
	const unroll = 4
	MOVQ(regGroups, regK)
	SUBQ(Imm(unroll), regK)
	JCS(LabelRef("tail"))
	Label("loop")
	for g := range unroll {
		d.write(s, h, w, g, acc, free)
	}
	move(unroll)
	SUBQ(Imm(unroll), regK)
	JCC(LabelRef("loop"))
	Label("tail")
	ADDQ(Imm(unroll), regK)
	JEQ(LabelRef("next"))
	Label("one")
	d.write(s, h, w, 0, acc, free)
	move(1)
	SUBQ(Imm(1), regK)
	JNE(LabelRef("one"))
	Label("next")
	SUBQ(Imm(1), regTaps)
	JNE(LabelRef("tap"))

	if codes {
		storeCodes(s, h, w, acc, free)
	} else {
		storeSums(s, h, w, acc, free)
	}
	ADDQ(NewParamAddr("next", 40), regA)
	SUBQ(Imm(1), NewParamAddr("passes", 0))
	JNE(LabelRef("pass"))
	VZEROUPPER()
	RET()
}

// storeSums stores the sums of a tile.
func storeSums(s isa, h, w int, acc func(r, v int) VecPhysical, free []VecPhysical) {
	full := fullMasks(s, w)
	loadMasks(s, w, free[:w])
	each := func(f func(r, v int, m Mem)) {
		for r := range h {
			for v := range w {
				f(r, v, Mem{Base: regC, Disp: v * s.bytes()})
			}
			ADDQ(regLDC, regC)
		}
	}
	full("masked")
	each(func(r, v int, m Mem) {
		if s.zmm {
			VMOVDQU32(acc(r, v), m)
		} else {
			VMOVDQU(acc(r, v), m)
		}
	})
	JMP(LabelRef("stored"))
	Label("masked")
	each(func(r, v int, m Mem) {
		if s.zmm {
			VMOVDQU32(acc(r, v), []OpmaskPhysical{K1, K2}[v], m)
		} else {
			VPMASKMOVD(acc(r, v), free[v], m)
		}
	})
	Label("stored")
}

// Bytes of the parameters of codes: the order of dwords that sorts the bytes
// of packed rows, and the fields of gemm.IntCodes.
const (
	atOrder = 0
	atAfter = 60 + 4*iota
	atFlip
	atLeast
	atMost
)

// storeCodes stores the codes of a tile: the sums times m, rounded, after
// added, clamped as bytes and flipped. A vector holds 64 codes of a few rows.
func storeCodes(s isa, h, w int, acc func(r, v int) VecPhysical, free []VecPhysical) {
	p, m := regP0, regP1
	Load(Param("p"), p)
	Load(Param("m"), m)
	Load(Param("mask"), RCX)
	KMOVD(ECX, K3)
	KMOVW(ECX, K1)
	SHRQ(Imm(16), RCX)
	KMOVW(ECX, K2)
	for v := range w {
		VMOVUPS_Z(Mem{Base: m, Disp: 64 * v}, []OpmaskPhysical{K1, K2}[v], free[v])
	}
	after, order := free[2], free[3]
	VPBROADCASTW(Mem{Base: p, Disp: atAfter}, after)
	VMOVDQU32(Mem{Base: p, Disp: atOrder}, order)
	// The first rows leave registers to the constants of bytes.
	var least, most, flip, spare0 VecPhysical
	each := 4 / w // Rows of a vector.
	for r := 0; r < h; r += each {
		var q [4]VecPhysical
		for i := range q {
			q[i] = acc(min(r+i/w, h-1), i%w)
		}
		for i, x := range q {
			if r+i/w >= h {
				continue
			}
			VCVTDQ2PS(x, x)
			VMULPS(free[i%w], x, x)
			VCVTPS2DQ(x, x)
		}
		VPACKSSDW(q[1], q[0], q[0])
		VPADDSW(after, q[0], q[0])
		if q[2] == q[1] || r+2/w >= h { // No more rows: only what is stored matters.
			q[2] = q[0]
		} else {
			VPACKSSDW(q[3], q[2], q[2])
			VPADDSW(after, q[2], q[2])
		}
		VPACKUSWB(q[2], q[0], q[0])
		if r == 0 {
			spare := []VecPhysical{}
			for i := range s.registers() {
				x := s.vec(i)
				used := x == q[0] || x == after || x == order
				for v := range w {
					used = used || x == free[v]
				}
				for rr := each; rr < h; rr++ {
					for v := range w {
						used = used || x == acc(rr, v)
					}
				}
				if !used {
					spare = append(spare, x)
				}
			}
			least, most, flip, spare0 = spare[0], spare[1], spare[2], spare[len(spare)-1]
			VPBROADCASTB(Mem{Base: p, Disp: atLeast}, least)
			VPBROADCASTB(Mem{Base: p, Disp: atMost}, most)
			VPBROADCASTB(Mem{Base: p, Disp: atFlip}, flip)
		}
		VPMAXUB(least, q[0], q[0])
		VPMINUB(most, q[0], q[0])
		VPERMD(q[0], order, q[0])
		VPXORD(flip, q[0], q[0])
		for i := range min(each, h-r) {
			if w == 2 {
				y := q[0].AsY()
				if i == 1 {
					VEXTRACTI64X4(Imm(1), q[0], y)
				}
				VMOVDQU8(y, K3, Mem{Base: regC})
			} else {
				x := q[0].AsX()
				if i > 0 {
					x = spare0.AsX()
					VEXTRACTI32X4(Imm(uint64(i)), q[0], x)
				}
				VMOVDQU8(x, K3, Mem{Base: regC})
			}
			ADDQ(regLDC, regC)
		}
	}
}

// topBits sets the top bit of each byte of Y0. It takes Y1.
func topBits() {
	VPCMPEQB(Y0, Y0, Y0) // -1
	VPABSB(Y0, Y1)       // 1
	VPSLLW(Imm(7), Y1, Y0)
}

// shiftBytes writes the kernel that shifts signed codes.
func shiftBytes() {
	TEXT("shiftCodesAVX2", NOSPLIT, "func(blocks uintptr, dst, src *byte)")
	Pragma("noescape")
	Doc("shiftCodesAVX2 adds 128 to each of 128 x blocks codes. dst may be src.")
	Load(Param("blocks"), regK)
	Load(Param("dst"), regC)
	Load(Param("src"), regA)
	topBits()
	Label("loop")
	for i := range 4 {
		VPXOR(Mem{Base: regA, Disp: 32 * i}, Y0, []VecPhysical{Y1, Y2, Y3, Y4}[i])
	}
	for i := range 4 {
		VMOVDQU([]VecPhysical{Y1, Y2, Y3, Y4}[i], Mem{Base: regC, Disp: 32 * i})
	}
	ADDQ(I32(128), regA)
	ADDQ(I32(128), regC)
	SUBQ(Imm(1), regK)
	JNE(LabelRef("loop"))
	VZEROUPPER()
	RET()
}

// sumBytes writes the kernel that sums signed codes.
func sumBytes() {
	TEXT("sumCodesAVX2", NOSPLIT, "func(blocks uintptr, src *int8) int64")
	Pragma("noescape")
	Doc("sumCodesAVX2 returns the sum of 64 x blocks codes, each plus 128.")
	Load(Param("blocks"), regK)
	Load(Param("src"), regA)
	topBits()
	sums := []VecPhysical{Y2, Y3}
	for _, y := range append(sums, Y1) {
		VPXOR(y, y, y)
	}
	Label("loop")
	for i := range sums {
		VPXOR(Mem{Base: regA, Disp: 32 * i}, Y0, []VecPhysical{Y4, Y5}[i])
	}
	for i, y := range sums { // The sums of eight bytes each.
		v := []VecPhysical{Y4, Y5}[i]
		VPSADBW(Y1, v, v)
		VPADDQ(v, y, y)
	}
	ADDQ(Imm(64), regA)
	SUBQ(Imm(1), regK)
	JNE(LabelRef("loop"))
	VPADDQ(Y3, Y2, Y2)
	VEXTRACTI128(Imm(1), Y2, X3)
	VPADDQ(X3, X2, X2)
	VPSHUFD(Imm(0xEE), X2, X3)
	VPADDQ(X3, X2, X2)
	VMOVQ(X2, regK)
	VZEROUPPER()
	Store(regK, ReturnIndex(0))
	RET()
}

// widenS16 writes the kernels that lay out codes for dotWords.
func widenS16() {
	for _, signed := range []bool{true, false} {
		name, doc := "widenS8AVX2", "signed"
		if !signed {
			name, doc = "widenU8AVX2", "unsigned"
		}
		TEXT(name, NOSPLIT, "func(blocks uintptr, dst *int16, src *byte)")
		Pragma("noescape")
		Doc(name + " widens 16 x blocks " + doc + " codes to 16 bits, each four in the order 0, 2, 1, 3.")
		Load(Param("blocks"), regK)
		Load(Param("dst"), regC)
		Load(Param("src"), regA)
		Label("loop")
		if signed {
			VPMOVSXBW(Mem{Base: regA}, Y0)
		} else {
			VPMOVZXBW(Mem{Base: regA}, Y0)
		}
		VPSHUFLW(Imm(0xD8), Y0, Y0)
		VPSHUFHW(Imm(0xD8), Y0, Y0)
		VMOVDQU(Y0, Mem{Base: regC})
		ADDQ(Imm(16), regA)
		ADDQ(Imm(32), regC)
		SUBQ(Imm(1), regK)
		JNE(LabelRef("loop"))
		VZEROUPPER()
		RET()
	}
}

func index(v VecPhysical) int { return int(ToPhysical(v).PhysicalIndex()) }

// expandCodes writes the kernels that turn codes into floats.
func expandCodes() {
	for _, dtype := range []string{"I8", "U8"} {
		name := "expand" + dtype + "AVX2"
		TEXT(name, NOSPLIT, "func(blocks uintptr, dst *float32, src *byte, zero int32, scale float32)")
		Pragma("noescape")
		Doc(name + " writes scale * (code - zero) for 16 x blocks codes to dst.")
		Load(Param("blocks"), regK)
		Load(Param("dst"), regC)
		Load(Param("src"), regA)
		VBROADCASTSS(NewParamAddr("zero", 24), Y0)
		VBROADCASTSS(NewParamAddr("scale", 28), Y1)
		Label("loop")
		for i, y := range []VecPhysical{Y2, Y3} {
			if dtype == "I8" {
				VPMOVSXBD(Mem{Base: regA, Disp: 8 * i}, y)
			} else {
				VPMOVZXBD(Mem{Base: regA, Disp: 8 * i}, y)
			}
			VPSUBD(Y0, y, y)
			VCVTDQ2PS(y, y)
			VMULPS(Y1, y, y)
			VMOVUPS(y, Mem{Base: regC, Disp: 32 * i})
		}
		ADDQ(Imm(16), regA)
		ADDQ(Imm(64), regC)
		SUBQ(Imm(1), regK)
		JNE(LabelRef("loop"))
		VZEROUPPER()
		RET()
	}
}
