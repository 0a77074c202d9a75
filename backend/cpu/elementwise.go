package cpu

import (
	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/tensor"
)

// typed returns the elements of t, whose size must be that of T, as T: for
// kernels that move elements of any type.
func typed[T tensor.Element](t *tensor.Tensor) []T {
	return tensor.Cast[T](t.Bytes(), t.Numel())
}

// elementwiseOne returns the kernel of y = f(x) for floats; f32 and f64 return
// the loop over equally long slices, and cost is its time for an element in
// nanoseconds.
func elementwiseOne(cost int, f32 func(backend.Op) func(y, x []float32), f64 func(backend.Op) func(y, x []float64)) kernel {
	return kernel{types: floats, bind: func(_ *Backend, op backend.Op, out, in []*tensor.Tensor) (func() error, error) {
		if in[0].DType() == tensor.F64 {
			return bindOne(cost, f64(op), out[0].F64(), in[0].F64()), nil
		}
		return bindOne(cost, f32(op), out[0].F32(), in[0].F32()), nil
	}}
}

func bindOne[T float](cost int, loop func(y, x []T), y, x []T) func() error {
	grain := grainFor(len(x), cost)
	body := func(lo, hi int) { loop(y[lo:hi], x[lo:hi]) }
	return func() error { parallel(len(x), grain, body); return nil }
}

// elementwiseTwo returns the kernel of z = f(a, b) for floats of one shape.
func elementwiseTwo(cost int, f32 func(backend.Op) func(z, a, b []float32), f64 func(backend.Op) func(z, a, b []float64)) kernel {
	return kernel{types: floats, bind: func(_ *Backend, op backend.Op, out, in []*tensor.Tensor) (func() error, error) {
		if in[0].DType() == tensor.F64 {
			return bindTwo(cost, f64(op), out[0].F64(), in[0].F64(), in[1].F64()), nil
		}
		return bindTwo(cost, f32(op), out[0].F32(), in[0].F32(), in[1].F32()), nil
	}}
}

func bindTwo[T float](cost int, loop func(z, a, b []T), z, a, b []T) func() error {
	grain := grainFor(len(z), cost)
	body := func(lo, hi int) { loop(z[lo:hi], a[lo:hi], b[lo:hi]) }
	return func() error { parallel(len(z), grain, body); return nil }
}

// always is a loop that does not depend on attributes.
func always[F any](f F) func(backend.Op) F {
	return func(backend.Op) F { return f }
}
