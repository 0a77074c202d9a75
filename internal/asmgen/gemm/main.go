// Command gemm writes the amd64 kernels of package gemm of the CPU backend.
// It is run by go generate there, once for each -kernel.
package main

import (
	"flag"
	"fmt"
	"os"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

func main() {
	kernel := flag.String("kernel", "", "group of kernels to write")
	flag.Parse()
	ConstraintExpr("amd64,!purego")
	zmm, ymm := isa{zmm: true, heights: []int{14, 8, 4, 2, 1}}, isa{heights: []int{6, 4, 2, 1}}
	switch *kernel {
	case "f32_avx512":
		floats(tall(zmm), cellF32, "AVX512", 2, 1)
	case "f32_avx2":
		floats(tall(ymm), cellF32, "AVX2", 2, 1)
	case "bf16_avx512bf16":
		floats(tall(zmm), cellBF16, "AVX512BF16", 2, 1)
	case "amx":
		amxKernels()
	case "peak":
		peaks()
	case "pack_avx512bf16":
		packBF16()
	case "pack_avx2":
		transposeF32()
		sumBytes()
		shiftBytes()
		widenS16()
		expandCodes()
	case "u8_avx512vnni":
		ints(zmm, "U8", "AVX512VNNI", dotBytesEVEX, 2, 1)
	case "u8_avxvnni":
		ints(ymm, "U8", "AVXVNNI", dotBytesVEX, 2)
	case "s16_avx512":
		ints(zmm, "S16", "AVX512", dotWords, 2, 1)
	case "s16_avx2":
		ints(ymm, "S16", "AVX2", dotWords, 2)
	default:
		fmt.Fprintf(os.Stderr, "gemm: no kernel %q\n", *kernel)
		os.Exit(2)
	}
	Generate()
}

// tall adds the heights between the powers of two, for lines of images.
func tall(s isa) isa {
	if s.zmm {
		s.heights = []int{14, 8, 7, 6, 5, 4, 3, 2, 1}
	} else {
		s.heights = []int{6, 5, 4, 3, 2, 1}
	}
	return s
}

// isa is a width of vectors.
type isa struct {
	zmm     bool
	heights []int // rows of the register tiles
}

// lanes returns the 32-bit elements of a vector.
func (s isa) lanes() int {
	if s.zmm {
		return 16
	}
	return 8
}

func (s isa) bytes() int { return 4 * s.lanes() }

func (s isa) registers() int {
	if s.zmm {
		return 32
	}
	return 16
}

func (s isa) vec(i int) VecPhysical {
	if s.zmm {
		return []VecPhysical{
			Z0, Z1, Z2, Z3, Z4, Z5, Z6, Z7, Z8, Z9, Z10, Z11, Z12, Z13, Z14, Z15,
			Z16, Z17, Z18, Z19, Z20, Z21, Z22, Z23, Z24, Z25, Z26, Z27, Z28, Z29, Z30, Z31,
		}[i]
	}
	return []VecPhysical{Y0, Y1, Y2, Y3, Y4, Y5, Y6, Y7, Y8, Y9, Y10, Y11, Y12, Y13, Y14, Y15}[i]
}

func (s isa) zero(v VecPhysical) {
	if s.zmm {
		VPXORD(v, v, v)
	} else {
		VPXOR(v, v, v)
	}
}

// General registers. Kernels use physical ones throughout: the tiles fill the
// vector registers exactly, and instructions given as bytes need fixed names.
var (
	regA   = RDI // rows of A of this pass
	regP0  = RSI // rows 0..8 at the present column
	regP1  = R8  // rows 9..
	regRS  = R9  // bytes from row to row of A
	regRS3 = R10
	regRS5 = R11
	regRS7 = R12
	regCS  = R13 // bytes from column to column of A
	regB   = RBX
	regBS  = RDX // bytes from row to row, or panel to panel, of B
	regK   = RCX
	regC   = RAX
	regLDC = R14
	// regBS16 is two rows of B: times 8, the row to prefetch.
	regBS16 = R15
)

// rowStrides computes the multiples of the row stride that rows need.
func rowStrides(h int) {
	if h > 3 {
		LEAQ(Mem{Base: regRS, Index: regRS, Scale: 2}, regRS3)
	}
	if h > 5 {
		LEAQ(Mem{Base: regRS, Index: regRS, Scale: 4}, regRS5)
	}
	if h > 7 {
		LEAQ(Mem{Base: regRS3, Index: regRS, Scale: 4}, regRS7)
	}
}

// startRows sets the pointers to the rows of this pass.
func startRows(h int) {
	MOVQ(regA, regP0)
	secondRows(h)
}

// secondRows sets the pointer to the rows from 9 on from that to row 0.
func secondRows(h int) {
	if h > 9 {
		LEAQ(Mem{Base: regP0, Index: regRS, Scale: 8}, regP1)
		ADDQ(regRS, regP1)
	}
}

// rowAt returns the operand for row r at byte disp.
func rowAt(r, disp int) Mem {
	base := regP0
	if r > 8 {
		base, r = regP1, r-9
	}
	m := Mem{Base: base, Disp: disp, Scale: 1}
	switch r {
	case 0:
		m.Scale = 0
	case 1, 2, 4, 8:
		m.Index, m.Scale = regRS, uint8(r)
	case 3:
		m.Index = regRS3
	case 5:
		m.Index = regRS5
	case 6:
		m.Index, m.Scale = regRS3, 2
	case 7:
		m.Index = regRS7
	}
	return m
}

// nextPass moves A and C behind the h rows done and loops while passes are
// left. C already is there.
func nextPass(h int, label string) {
	IMUL3Q(I32(int32(h)), regRS, regP0)
	ADDQ(regP0, regA)
	SUBQ(Imm(1), NewParamAddr("passes", 0))
	JNE(LabelRef(label))
}
