package cpu

import (
	"fmt"
	"math"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/tensor"
)

func init() {
	register(backend.Pad{}, kernel{types: movable, bind: bindPad})
	register(backend.PadGrad{}, kernel{types: floats, bind: func(_ *Backend, op backend.Op, out, in []*tensor.Tensor) (func() error, error) {
		p := newPadWalk(op.(backend.PadGrad).Pad, out[0].Shape(), in[0].Shape())
		if in[0].DType() == tensor.F64 {
			return bindPadGrad(p, out[0].F64(), in[0].F64()), nil
		}
		return bindPadGrad(p, out[0].F32(), in[0].F32()), nil
	}})
}

func bindPad(_ *Backend, op backend.Op, out, in []*tensor.Tensor) (func() error, error) {
	p, y, x := op.(backend.Pad), out[0], in[0]
	var value *tensor.Tensor
	if len(in) > 1 {
		value = in[1]
	}
	switch x.DType() {
	case tensor.F32:
		return bindPadOf(p, y, x, value, func(v float64) float32 { return float32(v) }), nil
	case tensor.F64:
		return bindPadOf(p, y, x, value, func(v float64) float64 { return v }), nil
	case tensor.I8:
		return bindPadOf(p, y, x, value, saturating[int8](math.MinInt8, math.MaxInt8)), nil
	case tensor.U8:
		return bindPadOf(p, y, x, value, saturating[uint8](0, math.MaxUint8)), nil
	case tensor.I32:
		return bindPadOf(p, y, x, value, saturating[int32](math.MinInt32, math.MaxInt32)), nil
	case tensor.I64:
		return bindPadOf(p, y, x, value, saturating[int64](math.MinInt64, math.MaxInt64)), nil
	}
	return nil, fmt.Errorf("cpu: elements of type %v cannot be moved", x.DType())
}

// bindPadOf sets y to the constant and copies x inside, or, in the other
// modes, copies element by element through a table a dimension. The constant
// is read at each run: it may be a zero point that changes.
func bindPadOf[T tensor.Element](p backend.Pad, out, in, value *tensor.Tensor, convert func(float64) T) func() error {
	y, x := typed[T](out), typed[T](in)
	if p.Mode != backend.PadConstant {
		return bindPadTable(newPadWalk(p, in.Shape(), out.Shape()), y, x)
	}
	st := out.Shape().Strides()
	inside := box{step: st}
	for i, d := range st {
		inside.base += p.Before.V[i] * d
	}
	put := bindStridedCopy(y, inside, x, box{0, in.Shape().Strides()}, in.Shape())
	constant := convert(float64(p.Value))
	grain := grainFor(len(y), 1)
	body := func(lo, hi int) {
		d := y[lo:hi]
		for i := range d {
			d[i] = constant
		}
	}
	return func() error {
		if value != nil {
			constant = convert(value.At(0))
		}
		parallel(len(y), grain, body)
		return put()
	}
}

// padWalk maps each element of a padded tensor to the one of the tensor
// inside that it shows: the sum of the entries of one table a dimension.
type padWalk struct {
	dims  []int
	table [][]int
	rows  int // tuples of all dimensions but the last
}

func newPadWalk(p backend.Pad, in, out tensor.Shape) *padWalk {
	w := &padWalk{dims: out.Clone(), rows: 1}
	st := in.Strides()
	for i, d := range out {
		t := make([]int, d)
		for o := range t {
			t[o] = p.Source(i, o, in[i]) * st[i]
		}
		w.table = append(w.table, t)
	}
	if len(w.dims) == 0 {
		w.dims, w.table = []int{1}, [][]int{{0}}
	}
	w.rows = tensor.Shape(w.dims[:len(w.dims)-1]).Numel()
	return w
}

// row returns the offset of the r-th row in the tensor inside.
func (w *padWalk) row(r int) int {
	off := 0
	for i := len(w.dims) - 2; i >= 0; i-- {
		off += w.table[i][r%w.dims[i]]
		r /= w.dims[i]
	}
	return off
}

func bindPadTable[T tensor.Element](w *padWalk, y, x []T) func() error {
	last := w.table[len(w.table)-1]
	n := len(last)
	body := func(lo, hi int) {
		for r := lo; r < hi; r++ {
			src, dst := x[w.row(r):], y[r*n:][:n]
			for i, o := range last {
				dst[i] = src[o]
			}
		}
	}
	grain := max(1, nestTile/max(n, 1))
	return func() error {
		if n > 0 {
			parallel(w.rows, grain, body)
		}
		return nil
	}
}

// bindPadGrad adds in the order of the padded tensor, on one core: elements
// meet, and the borders are small.
func bindPadGrad[T float](w *padWalk, dx, dy []T) func() error {
	last := w.table[len(w.table)-1]
	n := len(last)
	return func() error {
		clear(dx)
		if n == 0 {
			return nil
		}
		for r := range w.rows {
			off, src := w.row(r), dy[r*n:][:n]
			for i, o := range last {
				dx[off+o] += src[i]
			}
		}
		return nil
	}
}
