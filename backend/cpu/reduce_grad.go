package cpu

import (
	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/tensor"
)

func init() {
	register(backend.ReduceGrad{}, kernel{types: floats, bind: func(_ *Backend, op backend.Op, out, in []*tensor.Tensor) (func() error, error) {
		if in[0].DType() == tensor.F64 {
			return bindReduceGrad[float64](op.(backend.ReduceGrad), out[0], in)
		}
		return bindReduceGrad[float32](op.(backend.ReduceGrad), out[0], in)
	}})
}

func bindReduceGrad[T float](op backend.ReduceGrad, out *tensor.Tensor, in []*tensor.Tensor) (func() error, error) {
	s := out.Shape()
	reduced, err := op.Reduced(len(s))
	if err != nil {
		return nil, err
	}
	dx, dy := typed[T](out), typed[T](in[0])
	switch op.Kind {
	case backend.ReduceSum, backend.ReduceMean:
		factor := T(1)
		if op.Kind == backend.ReduceMean && len(dy) > 0 {
			factor = T(float64(len(dy)) / float64(max(len(dx), 1)))
		}
		return bindSpread(dx, dy, s, reduced, factor), nil
	}
	var one func(dx, x []T, dy, y T, at int, w *loopNest)
	switch op.Kind {
	case backend.ReduceProd:
		one = prodGrad[T]
	case backend.ReduceL2:
		one = l2Grad[T]
	default:
		one = extremeGrad[T]
	}
	return bindGradWithin(dx, typed[T](in[1]), dy, typed[T](in[2]), s, reduced, one), nil
}

// bindSpread sets each element of dx to factor times that of dy which it was
// reduced to.
func bindSpread[T float](dx, dy []T, s tensor.Shape, reduced []bool, factor T) func() error {
	if len(dx) == 0 {
		return func() error { return nil }
	}
	from := make([]int, len(s))
	n := 1
	for i := len(s) - 1; i >= 0; i-- {
		if !reduced[i] {
			from[i] = n
			n *= s[i]
		}
	}
	w := newLoopNest(s, s.Strides(), from)
	inner, _, st := w.inner()
	body := func(lo, hi int) {
		c := w.seek(lo)
		for r := lo; r < hi; r++ {
			dst := dx[r*inner:][:inner]
			if st == 0 {
				v := dy[c.off[1]] * factor
				for i := range dst {
					dst[i] = v
				}
			} else {
				for i, v := range dy[c.off[1]:][:inner] {
					dst[i] = v * factor
				}
			}
			w.next(&c)
		}
	}
	grain := max(1, nestTile/inner)
	return func() error { parallel(w.rows(), grain, body); return nil }
}

// bindGradWithin calls one for each output, with the offset of its inputs and
// the walk over them.
func bindGradWithin[T float](dx, x, dy, y []T, s tensor.Shape, reduced []bool, one func(dx, x []T, dy, y T, at int, w *loopNest)) func() error {
	kept, within := reducedNests(s, reduced)
	count := tensor.Shape(within.dims).Numel()
	body := func(lo, hi int) {
		c := kept.seek(lo)
		for i := lo; i < hi; i++ {
			one(dx, x, dy[i], y[i], c.off[0], within)
			kept.next(&c)
		}
	}
	grain := max(1, nestTile/max(count, 1))
	return func() error {
		if count > 0 {
			parallel(len(dy), grain, body)
		}
		return nil
	}
}

// extremeGrad shares dy among the elements that equal the extreme.
func extremeGrad[T float](dx, x []T, dy, y T, at int, w *loopNest) {
	n, st, _ := w.inner()
	ties := 0
	c := w.seek(0)
	for range w.rows() {
		for k := range n {
			if x[at+c.off[0]+k*st] == y {
				ties++
			}
		}
		w.next(&c)
	}
	d := dy / T(max(ties, 1))
	for range w.rows() {
		for k := range n {
			i := at + c.off[0] + k*st
			if x[i] == y {
				dx[i] = d
			} else {
				dx[i] = 0
			}
		}
		w.next(&c)
	}
}

// prodGrad divides the product by each element; with one zero only that
// element has a gradient, with two none has.
func prodGrad[T float](dx, x []T, dy, _ T, at int, w *loopNest) {
	n, st, _ := w.inner()
	zeros, product := 0, 1.0
	c := w.seek(0)
	for range w.rows() {
		for k := range n {
			if v := x[at+c.off[0]+k*st]; v == 0 {
				zeros++
			} else {
				product *= float64(v)
			}
		}
		w.next(&c)
	}
	for range w.rows() {
		for k := range n {
			i := at + c.off[0] + k*st
			switch v := x[i]; {
			case zeros == 0:
				dx[i] = T(float64(dy) * product / float64(v))
			case zeros == 1 && v == 0:
				dx[i] = T(float64(dy) * product)
			default:
				dx[i] = 0
			}
		}
		w.next(&c)
	}
}

// l2Grad is dy * x / y, 0 at y = 0.
func l2Grad[T float](dx, x []T, dy, y T, at int, w *loopNest) {
	n, st, _ := w.inner()
	f := T(0)
	if y != 0 {
		f = dy / y
	}
	c := w.seek(0)
	for range w.rows() {
		for k := range n {
			i := at + c.off[0] + k*st
			dx[i] = f * x[i]
		}
		w.next(&c)
	}
}
