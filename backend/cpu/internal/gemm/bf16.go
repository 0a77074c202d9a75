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
