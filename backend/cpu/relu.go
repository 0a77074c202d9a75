package cpu

import (
	"math"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/backend/cpu/internal/codes"
	"github.com/goqat/goqat/tensor"
)

func init() {
	register(backend.Relu{}, kernel{types: floats, bind: func(_ *Backend, _ backend.Op, out, in []*tensor.Tensor) (func() error, error) {
		if in[0].DType() == tensor.F64 {
			return bindRelu(out[0].F64(), in[0].F64()), nil
		}
		x, y := in[0].F32(), out[0].F32()
		return bindElementwise(len(x), 1, func(lo, hi int) { codes.Clamp(y[lo:hi], x[lo:hi], 0, float32(math.Inf(1))) }), nil
	}})
	register(backend.ReluGrad{}, kernel{types: floats, bind: func(_ *Backend, _ backend.Op, out, in []*tensor.Tensor) (func() error, error) {
		if in[0].DType() == tensor.F64 {
			return bindReluGrad(out[0].F64(), in[0].F64(), in[1].F64()), nil
		}
		dx, dy, y, none := out[0].F32(), in[0].F32(), in[1].F32(), float32(math.NaN())
		return bindElementwise(len(dy), 1, func(lo, hi int) { codes.ClampGrad(dx[lo:hi], dy[lo:hi], y[lo:hi], 0, none) }), nil
	}})
}

type float interface{ float32 | float64 }

func bindRelu[T float](y, x []T) func() error {
	grain := grainFor(len(x), 1)
	body := func(lo, hi int) {
		x, y := x[lo:hi], y[lo:hi]
		for i, v := range x {
			if v < 0 { // Not v > 0: a NaN must stay visible.
				v = 0
			}
			y[i] = v
		}
	}
	return func() error { parallel(len(x), grain, body); return nil }
}

func bindReluGrad[T float](dx, dy, y []T) func() error {
	grain := grainFor(len(dx), 1)
	body := func(lo, hi int) {
		dx, dy, y := dx[lo:hi], dy[lo:hi], y[lo:hi]
		for i, v := range dy {
			if y[i] > 0 {
				dx[i] = v
			} else {
				dx[i] = 0
			}
		}
	}
	return func() error { parallel(len(dx), grain, body); return nil }
}

// bindElementwise runs body over the tiles of n elements.
func bindElementwise(n, cost int, body func(lo, hi int)) func() error {
	grain := grainFor(n, cost)
	return func() error { parallel(n, grain, body); return nil }
}
