package tensor

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
)

// MaxRank is the largest number of dimensions a tensor may have.
const MaxRank = 8

// Shape lists the dimensions, outermost first. A nil Shape is a scalar.
//
// Images are channels last: [batch, height, width, channels]; sequences are
// [batch, length, channels]; convolution weights are
// [out, kernel height, kernel width, in / groups].
type Shape []int

// Numel returns the number of elements, 1 for a scalar.
func (s Shape) Numel() int {
	n := 1
	for _, d := range s {
		n *= d
	}
	return n
}

// Equal reports whether both shapes have the same dimensions.
func (s Shape) Equal(t Shape) bool { return slices.Equal(s, t) }

// Clone returns a copy.
func (s Shape) Clone() Shape { return slices.Clone(s) }

// Strides returns the row-major strides in elements.
func (s Shape) Strides() []int {
	st := make([]int, len(s))
	n := 1
	for i := len(s) - 1; i >= 0; i-- {
		st[i] = n
		n *= s[i]
	}
	return st
}

// Last returns the innermost dimension, 1 for a scalar.
func (s Shape) Last() int {
	if len(s) == 0 {
		return 1
	}
	return s[len(s)-1]
}

// maxNumel keeps all byte offsets inside an int.
const maxNumel = int64(math.MaxInt / 1024)

// Check returns an error unless every dimension is non-negative, the rank is
// at most [MaxRank] and byte offsets of all elements fit an int.
func (s Shape) Check() error {
	if len(s) > MaxRank {
		return fmt.Errorf("tensor: rank %d of %v is over %d", len(s), s, MaxRank)
	}
	n := int64(1)
	for _, d := range s {
		if d < 0 {
			return fmt.Errorf("tensor: negative dimension in %v", s)
		}
		if d > 0 && n > maxNumel/int64(d) {
			return fmt.Errorf("tensor: %v has too many elements", s)
		}
		n *= int64(max(d, 1))
	}
	return nil
}

// String returns the form "[2, 3]".
func (s Shape) String() string {
	p := make([]string, len(s))
	for i, d := range s {
		p[i] = strconv.Itoa(d)
	}
	return "[" + strings.Join(p, ", ") + "]"
}

// Broadcast returns the shape of an elementwise operation on a and b by the
// rule of NumPy and ONNX: dimensions are aligned at the end, and 1 stretches.
func Broadcast(a, b Shape) (Shape, error) {
	n := max(len(a), len(b))
	out := make(Shape, n)
	for i := range n {
		da, db := 1, 1
		if j := i - (n - len(a)); j >= 0 {
			da = a[j]
		}
		if j := i - (n - len(b)); j >= 0 {
			db = b[j]
		}
		switch {
		case da == db, db == 1:
			out[i] = da
		case da == 1:
			out[i] = db
		default:
			return nil, fmt.Errorf("tensor: cannot broadcast %v with %v", a, b)
		}
	}
	return out, nil
}

// Dims is a fixed-size list of small integers for comparable attribute
// structs: shapes, permutations, axes.
type Dims struct {
	N int
	V [MaxRank]int
}

// NewDims returns a Dims of up to [MaxRank] values; it drops the rest, which
// shape inference reports as a rank error.
func NewDims(v ...int) Dims {
	var d Dims
	d.N = copy(d.V[:], v)
	return d
}

// Slice returns the values as a new slice.
func (d Dims) Slice() []int { return slices.Clone(d.V[:d.N]) }

// String returns the form "[2, 3]".
func (d Dims) String() string { return Shape(d.V[:d.N]).String() }

// Spec is what shape inference works on: an element type and a shape.
type Spec struct {
	DType DType
	Shape Shape
}

// Of returns the Spec with the given type and dimensions.
func Of(d DType, dims ...int) Spec { return Spec{d, dims} }

// Numel returns the number of elements.
func (s Spec) Numel() int { return s.Shape.Numel() }

// Bytes returns the storage in bytes.
func (s Spec) Bytes() int { return s.DType.Bytes(s.Shape.Numel()) }

// Equal reports whether type and shape are the same.
func (s Spec) Equal(t Spec) bool { return s.DType == t.DType && s.Shape.Equal(t.Shape) }

// String returns the form "float32[2, 3]".
func (s Spec) String() string { return s.DType.String() + s.Shape.String() }
