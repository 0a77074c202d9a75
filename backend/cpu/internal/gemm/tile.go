package gemm

// Cell is what one step of the inner dimension takes from a row of A and from
// a column of B: a float, or a pair of bfloat16 as [PairBF16] makes it.
type Cell interface {
	~float32 | ~float64 | ~uint32
}

// Block is where a part of the inner dimension starts in A and in B, in cells.
type Block struct{ A, B int }

// oneBlock is an inner dimension in one part.
var oneBlock = []Block{{}}

// tileFunc computes, for rows x cols elements,
//
//	c[i*ldc+j] (+)= sum over blocks t, p < k of a[t.A+i*rsA+p*csA] * b[t.B+p*rsB+j]
//
// with blocks and p ascending and one running sum an element, added to c at
// the end. There is at least one block, k >= 1 and cols <= wide; unless the
// kernel is masked, rows of b have narrow cells when cols <= narrow, else wide.
type tileFunc[E Cell, T Float] func(blocks []Block, rows, k int, a []E, rsA, csA int, b []E, rsB int, c []T, ldc, cols int, add bool)

// Kernel is the inner product of an instruction set for callers that lay out
// the operands themselves, such as convolutions.
type Kernel[E Cell, T Float] struct {
	wide, narrow int
	masked       bool
	tile         tileFunc[E, T]
	transpose    func(dst []E, w int, src []E, ld, cols, k int)
}

// FloatKernel returns the kernel for floats.
func FloatKernel[T Float]() Kernel[T, T] {
	kr := floatKernelFor[T]()
	return Kernel[T, T]{kr.wide, kr.narrow, kr.masked, kr.tile, kr.transpose}
}

// Wide returns the columns of the widest tile.
func (kr *Kernel[E, T]) Wide() int { return kr.wide }

// Slack returns the cells behind the last row of B that Tile may read.
func (kr *Kernel[E, T]) Slack() int { return kr.wide }

// Width returns the cells that a row of a packed panel of B needs for cols
// columns, at most [Kernel.Wide].
func (kr *Kernel[E, T]) Width(cols int) int {
	if cols <= kr.narrow {
		return kr.narrow
	}
	return kr.wide
}

// Tile computes, for rows x cols elements,
//
//	c[i*ldc+j] (+)= sum over blocks t, p < k of a[t.A+i*rsA+p*csA] * b[t.B+p*rsB+j]
//
// in that order, adding to c when add is set. There must be at least one
// block, k >= 1 and cols <= Wide; rows of b are read up to [Kernel.Width]
// cells, whatever they hold.
func (kr *Kernel[E, T]) Tile(blocks []Block, rows, k int, a []E, rsA, csA int, b []E, rsB int, c []T, ldc, cols int, add bool) {
	kr.tile(blocks, rows, k, a, rsA, csA, b, rsB, c, ldc, cols, add)
}

// Transpose copies the cols x k block of src, stride ld, to the k rows of
// dst, stride w.
func (kr *Kernel[E, T]) Transpose(dst []E, w int, src []E, ld, cols, k int) {
	if kr.transpose != nil {
		kr.transpose(dst, w, src, ld, cols, k)
		return
	}
	transposeLoop(dst, w, src, ld, cols, k)
}
