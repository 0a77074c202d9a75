package gemm

import "github.com/goqat/goqat/backend/cpu/internal/isa"

// bf16Kernel is the inner product of bfloat16 of an instruction set, and what
// lays out its operands. A cell is a pair of neighbours along the inner
// dimension, the first in the low half; sums are float32.
type bf16Kernel struct {
	wide, narrow int  // as in [floatKernel]
	masked       bool // tile reads only cols columns of b
	// rowsA says that tile wants the cells of a row of A side by side: csA is
	// 1. Otherwise it takes any strides.
	rowsA bool
	// tile is the product of cells. The order in which the terms of one sum
	// are added is the instruction set's.
	tile tileFunc[uint32, float32]
	// pair writes, for rows rows of n cells,
	//
	//	dst[r*ldDst+i] = (scale*src[r*ld+i], scale*src[r*ld+second+i])
	//
	// rounded to bfloat16; with low, what that rounding leaves, rounded.
	pair func(rows, n int, dst []uint32, ldDst int, src []float32, ld, second int, scale float32, low bool)
	// join writes, for rows rows of n elements, an odd one followed by 0,
	//
	//	dst[r*ldDst+i] = (scale[2i]*src[r*ld+2i], scale[2i+1]*src[r*ld+2i+1])
	//
	// rounded as pair does.
	join func(rows, n int, dst []uint32, ldDst int, src []float32, ld int, scale []float32, low bool)
	// codes writes code - zero for pairs of rows of codes, as pair does: exact
	// for codes and zero points of 8 bits.
	codes func(rows, n int, dst []uint32, ldDst int, src []byte, ld, second int, zero int32, signed bool)
}

// HasBF16 reports whether new products of bfloat16 run on instructions made
// for them. Where they do not, float32 is faster and has smaller errors.
func HasBF16() bool { return bf16Kernels.Set() != isa.Portable }

// pairRows writes the cells of neighbouring rows, of which there are count;
// an odd one is followed by zeros.
func (kr *bf16Kernel) pairRows(count, n int, dst []uint32, ldDst int, src []float32, ld int, scale float32, low bool) {
	whole := count / 2
	if whole > 0 {
		kr.pair(whole, n, dst, ldDst, src, 2*ld, ld, scale, low)
	}
	if count&1 != 0 {
		round := rounding(low)
		for x, v := range src[2*whole*ld:][:n] {
			dst[whole*ldDst+x] = PairBF16(round(v*scale), 0)
		}
	}
}

// codeRows is pairRows for codes.
func (kr *bf16Kernel) codeRows(count, n int, dst []uint32, ldDst int, src []byte, ld int, zero int32, signed bool) {
	whole := count / 2
	if whole > 0 {
		kr.codes(whole, n, dst, ldDst, src, 2*ld, ld, zero, signed)
	}
	if count&1 != 0 {
		for x, c := range src[2*whole*ld:][:n] {
			dst[whole*ldDst+x] = PairBF16(codeBF16(c, zero, signed), 0)
		}
	}
}

// PairKernel is the product of bfloat16 for callers that lay out the operands
// themselves, and what lays them out. A cell is a pair of neighbours along the
// inner dimension, the first in the low half.
type PairKernel struct {
	Kernel[uint32, float32]
	kr bf16Kernel
}

// BF16Kernel returns the kernel for bfloat16.
func BF16Kernel() PairKernel {
	kr := bf16Kernels.Kernel()
	return PairKernel{Kernel[uint32, float32]{wide: kr.wide, narrow: kr.narrow, masked: kr.masked, tile: kr.tile}, kr}
}

// Join writes rows of n floats, an odd one followed by 0, to cells
//
//	dst[r*ldDst+i] = (scale[2i]*src[r*ld+2i], scale[2i+1]*src[r*ld+2i+1])
//
// rounded to bfloat16; with low, what that rounding leaves, rounded.
func (p *PairKernel) Join(rows, n int, dst []uint32, ldDst int, src []float32, ld int, scale []float32, low bool) {
	p.kr.join(rows, n, dst, ldDst, src, ld, scale, low)
}

// PairRows writes count rows of n floats, two to a row of cells, an odd one
// followed by zeros,
//
//	dst[r*ldDst+i] = (scale*src[2r*ld+i], scale*src[(2r+1)*ld+i])
//
// rounded as Join does.
func (p *PairKernel) PairRows(count, n int, dst []uint32, ldDst int, src []float32, ld int, scale float32, low bool) {
	p.kr.pairRows(count, n, dst, ldDst, src, ld, scale, low)
}

// CodeRows is PairRows for the differences of codes and zero.
func (p *PairKernel) CodeRows(count, n int, dst []uint32, ldDst int, src []byte, ld int, zero int32, signed bool) {
	p.kr.codeRows(count, n, dst, ldDst, src, ld, zero, signed)
}

// CodePairs writes the n cells (src[i]-zero, src[second+i]-zero).
func (p *PairKernel) CodePairs(n int, dst []uint32, src []byte, second int, zero int32, signed bool) {
	p.kr.codes(1, n, dst, n, src, n, second, zero, signed)
}
