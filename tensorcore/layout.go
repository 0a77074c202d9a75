// Package tensorcore has the layouts in which matrix units take int8
// matrices, as packers with exact formulas, and the target "tensorcore-cpu":
// converted models packed for x86 dot-product instructions in one file.
//
// A layout is data wherever it can be: [Blocked] describes every format that
// cuts dimensions into blocks, from VNNI4 and AMX tiles to oneDNN's tags and
// cuBLASLt's COL32. The orders that are no blocking have functions of their
// own ([Col4x4R2x8C], [Col32x2R4R4]), as have the fragments of mma
// instructions ([MMA]).
package tensorcore

import (
	"errors"
	"fmt"

	"github.com/goqat/goqat/tensor"
)

// ErrLayout is wrapped by the faults of packing: a shape that a layout does
// not take, or too little memory.
var ErrLayout = errors.New("tensorcore: layout")

// Block is an inner block: Size consecutive indices of dimension Dim.
type Block struct {
	Dim, Size int
}

// Blocked is a layout that cuts dimensions into blocks. Outer lists the
// dimensions in the order of the loops over blocks, outermost first; Inner the
// loops inside a block, outermost first, where a dimension may occur several
// times. A dimension is padded to a multiple of the product of its blocks.
//
// oneDNN writes such a layout as a tag: OIhw4i16o4i has Outer 0, 1, 2, 3 and
// Inner {1, 4}, {0, 16}, {1, 4} over [o, i, h, w].
type Blocked struct {
	Name  string
	Outer []int
	Inner []Block
}

// The layouts of int8 operands. Dimensions are named by their letters.
var (
	// VNNI4 is [k, n] with four consecutive k together, the operand B of
	// VPDPBUSD: (k/4)*4*N + n*4 + k%4.
	VNNI4 = Blocked{"VNNI4", []int{0, 1}, []Block{{0, 4}}}
	// VNNI4Panel is W [n, k] in panels of 16 rows of VNNI4, what the CPU
	// backend packs: (n/16)*ceil(k/4)*64 + (k/4)*64 + (n%16)*4 + k%4.
	VNNI4Panel = Blocked{"VNNI4Panel", []int{0, 1}, []Block{{0, 16}, {1, 4}}}
	// AMXA is A [m, k] in tiles of 16 rows of 64 bytes; AMXB is B [k, n] in
	// tiles of 64 by 16 with four consecutive k together.
	AMXA = Blocked{"AMXA", []int{0, 1}, []Block{{0, 16}, {1, 64}}}
	AMXB = Blocked{"AMXB", []int{1, 0}, []Block{{0, 16}, {1, 16}, {0, 4}}}

	// oneDNN's weights [o, i, h, w] and activations [n, c, h, w].
	OIhw4i16o4i  = Blocked{"OIhw4i16o4i", []int{0, 1, 2, 3}, []Block{{1, 4}, {0, 16}, {1, 4}}}
	OIhw16i16o4i = Blocked{"OIhw16i16o4i", []int{0, 1, 2, 3}, []Block{{1, 16}, {0, 16}, {1, 4}}}
	OIhw2i8o4i   = Blocked{"OIhw2i8o4i", []int{0, 1, 2, 3}, []Block{{1, 2}, {0, 8}, {1, 4}}}
	NChw16c      = Blocked{"nChw16c", []int{0, 1, 2, 3}, []Block{{1, 16}}}

	// Col32 is cuBLASLt's COL32 of [row, column]: (c/32)*32*rows + r*32 + c%32,
	// CUTLASS's ColumnMajorInterleaved<32>. RowInterleaved32 is its
	// RowMajorInterleaved<32>.
	Col32            = Blocked{"COL32", []int{1, 0}, []Block{{1, 32}}}
	RowInterleaved32 = Blocked{"RowMajorInterleaved32", []int{0, 1}, []Block{{0, 32}}}
	// NCxHW4 and NCxHW32 are activations [n, c, h, w] of TensorRT's kCHW4 and
	// kCHW32, HWC16 its kHWC16, CxRSK32 CUTLASS's filters [k, c, r, s].
	NCxHW4  = Blocked{"NC/4HW4", []int{0, 1, 2, 3}, []Block{{1, 4}}}
	NCxHW32 = Blocked{"NC/32HW32", []int{0, 1, 2, 3}, []Block{{1, 32}}}
	HWC16   = Blocked{"HWC16", []int{0, 2, 3, 1}, []Block{{1, 16}}}
	CxRSK32 = Blocked{"C/32RSK32", []int{1, 2, 3, 0}, []Block{{1, 32}}}
)

// Blockeds returns the layouts above in a fixed order.
func Blockeds() []Blocked {
	return []Blocked{VNNI4, VNNI4Panel, AMXA, AMXB, OIhw4i16o4i, OIhw16i16o4i, OIhw2i8o4i, NChw16c,
		Col32, RowInterleaved32, NCxHW4, NCxHW32, HWC16, CxRSK32}
}

// String returns the layout's name.
func (l Blocked) String() string { return l.Name }

// block returns the product of the inner blocks of dimension d.
func (l Blocked) block(d int) int {
	n := 1
	for _, b := range l.Inner {
		if b.Dim == d {
			n *= b.Size
		}
	}
	return n
}

// check returns an error unless the layout takes tensors of this shape.
func (l Blocked) check(shape tensor.Shape) error {
	if err := shape.Check(); err != nil {
		return fmt.Errorf("%w %s: %w", ErrLayout, l.Name, err)
	}
	if len(shape) != len(l.Outer) {
		return fmt.Errorf("%w %s: %v, want %d dimensions", ErrLayout, l.Name, shape, len(l.Outer))
	}
	if err := l.Padded(shape).Check(); err != nil {
		return fmt.Errorf("%w %s: padded: %w", ErrLayout, l.Name, err)
	}
	return nil
}

// Padded returns the dimensions after padding to whole blocks.
func (l Blocked) Padded(shape tensor.Shape) tensor.Shape {
	p := shape.Clone()
	for d := range p {
		b := l.block(d)
		p[d] = (p[d] + b - 1) / b * b
	}
	return p
}

// Size returns the number of elements of a packed tensor with its padding. It
// fails with [ErrLayout] when the number of dimensions is not the layout's.
func (l Blocked) Size(shape tensor.Shape) (int, error) {
	if err := l.check(shape); err != nil {
		return 0, err
	}
	return l.Padded(shape).Numel(), nil
}

// Offset returns the element at which the element with these indices lies. It
// panics when the number of indices is not the layout's.
func (l Blocked) Offset(shape tensor.Shape, at ...int) int {
	inner := 1
	for _, b := range l.Inner {
		inner *= b.Size
	}
	off := 0
	for _, d := range l.Outer {
		b := l.block(d)
		off = off*((shape[d]+b-1)/b) + at[d]/b
	}
	off *= inner
	var rest [tensor.MaxRank]int
	copy(rest[:], at)
	stride := 1
	for i := len(l.Inner) - 1; i >= 0; i-- {
		b := l.Inner[i]
		off += rest[b.Dim] % b.Size * stride
		rest[b.Dim] /= b.Size
		stride *= b.Size
	}
	return off
}

// Element is the set of element types that layouts move.
type Element interface {
	int8 | uint8 | int32 | float32
}

// PackBlocked writes the row-major tensor src into dst, whose padding it
// zeroes. dst has [Blocked.Size] elements. It fails with [ErrLayout].
func PackBlocked[T Element](l Blocked, dst, src []T, shape tensor.Shape) error {
	return move(l, shape, len(dst), len(src), func(size int) { clear(dst[:size]) }, func(packed, plain int) { dst[packed] = src[plain] })
}

// UnpackBlocked writes the packed tensor src into the row-major dst. It fails
// with [ErrLayout].
func UnpackBlocked[T Element](l Blocked, dst, src []T, shape tensor.Shape) error {
	return move(l, shape, len(src), len(dst), func(int) {}, func(packed, plain int) { dst[plain] = src[packed] })
}

// move calls f with the packed and the plain place of every element.
func move(l Blocked, shape tensor.Shape, packed, plain int, prepare func(size int), f func(packed, plain int)) error {
	size, err := l.Size(shape)
	if err != nil {
		return err
	}
	if n := shape.Numel(); packed < size || plain < n {
		return fmt.Errorf("%w %s: %v needs %d and %d elements, have %d and %d", ErrLayout, l.Name, shape, size, n, packed, plain)
	}
	prepare(size)
	// The offset of an element is the sum of one term a dimension.
	terms := make([][]int, len(shape))
	zero := make([]int, len(shape))
	for d, n := range shape {
		terms[d] = make([]int, n)
		for i := range n {
			zero[d] = i
			terms[d][i] = l.Offset(shape, zero...)
		}
		zero[d] = 0
	}
	at := 0
	var walk func(d, off int)
	walk = func(d, off int) {
		for _, t := range terms[d] {
			if d == len(shape)-1 {
				f(off+t, at)
				at++
			} else {
				walk(d+1, off+t)
			}
		}
	}
	walk(0, 0)
	return nil
}

// MatrixOrder is a layout of matrices with a formula of its own.
type MatrixOrder struct {
	Name string
	// Rows and Cols are what rows and columns are padded to.
	Rows, Cols int
	// Leading returns the elements between blocks of 32 columns, for padded
	// rows; Offset the place of an element.
	Leading func(rows int) int
	Offset  func(r, c, leading int) int
}

// The cuBLASLt orders of the operand B of IMMA kernels, W [n, k] as
// [row, column]: Turing and Ampere take the first, Ampere the second. Hopper
// takes plain [n, k] rows. Source: cublasLtOrder_t in cublasLt.h; the first
// with rows as output channels is also cuDNN's reordered INT8x32 filter.
var (
	Col4x4R2x8C = MatrixOrder{"COL4_4R2_8C", 8, 32, leading32, func(r, c, leading int) int {
		return c/32*leading + r/8*256 + r%2*128 + c%32/8*32 + c%8/4*16 + r%8/2*4 + c%4
	}}
	Col32x2R4R4 = MatrixOrder{"COL32_2R_4R4", 32, 32, leading32, func(r, c, leading int) int {
		return c/32*leading + r/32*1024 + ((r%8/2*4+r%32/8)*2+r%2)*32 + c%32
	}}
)

func leading32(rows int) int { return 32 * rows }

// Size returns the elements of a packed matrix with its padding.
func (o MatrixOrder) Size(rows, cols int) int {
	return up(cols, o.Cols) / 32 * o.Leading(up(rows, o.Rows))
}

// At returns the place of element (r, c) of a matrix of rows.
func (o MatrixOrder) At(r, c, rows int) int { return o.Offset(r, c, o.Leading(up(rows, o.Rows))) }

// PackMatrix writes the row-major matrix src [rows, cols] into dst, whose
// padding it zeroes. It fails with [ErrLayout].
func PackMatrix[T Element](o MatrixOrder, dst, src []T, rows, cols int) error {
	if err := o.fits(len(dst), len(src), rows, cols); err != nil {
		return err
	}
	clear(dst[:o.Size(rows, cols)])
	for r := range rows {
		for c := range cols {
			dst[o.At(r, c, rows)] = src[r*cols+c]
		}
	}
	return nil
}

// UnpackMatrix writes the packed matrix src into the row-major dst. It fails
// with [ErrLayout].
func UnpackMatrix[T Element](o MatrixOrder, dst, src []T, rows, cols int) error {
	if err := o.fits(len(src), len(dst), rows, cols); err != nil {
		return err
	}
	for r := range rows {
		for c := range cols {
			dst[r*cols+c] = src[o.At(r, c, rows)]
		}
	}
	return nil
}

func (o MatrixOrder) fits(packed, plain, rows, cols int) error {
	if err := (tensor.Shape{rows, cols}).Check(); err != nil {
		return fmt.Errorf("%w %s: %w", ErrLayout, o.Name, err)
	}
	if packed < o.Size(rows, cols) || plain < rows*cols {
		return fmt.Errorf("%w %s: [%d, %d] needs %d and %d elements, have %d and %d", ErrLayout, o.Name, rows, cols, o.Size(rows, cols), rows*cols, packed, plain)
	}
	return nil
}

func up(n, unit int) int { return (n + unit - 1) / unit * unit }
