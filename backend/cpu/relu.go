package cpu

import (
	"math"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/tensor"
)

func init() {
	register(backend.Relu{}, kernel{types: floats, bind: func(_ *Backend, _ backend.Op, out, in []*tensor.Tensor) (func() error, error) {
		if in[0].DType() == tensor.F64 {
			return bindRelu(out[0].F64(), in[0].F64()), nil
		}
		return bindElementwise(len(in[0].F32()), 1, reluF32(bitsOf(out[0]), bitsOf(in[0]))), nil
	}})
	register(backend.ReluGrad{}, kernel{types: floats, bind: func(_ *Backend, _ backend.Op, out, in []*tensor.Tensor) (func() error, error) {
		if in[0].DType() == tensor.F64 {
			return bindReluGrad(out[0].F64(), in[0].F64(), in[1].F64()), nil
		}
		return bindElementwise(len(in[0].F32()), 1, reluGradF32(bitsOf(out[0]), bitsOf(in[0]), bitsOf(in[1]))), nil
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

// bitsOf returns the bit patterns of a float32 tensor, which it shares.
func bitsOf(t *tensor.Tensor) []int32 { return tensor.Cast[int32](t.Bytes(), t.Numel()) }

// reluF32 works on bit patterns: it has no branch on the sign, which no
// predictor learns, and a NaN stays visible, whatever its sign.
func reluF32(y, x []int32) func(lo, hi int) {
	const inf = 0x7f800000
	return func(lo, hi int) {
		x := x[lo:hi]
		y := y[lo:hi][:len(x)]
		for i, b := range x {
			w := b &^ (b >> 31)
			if b&math.MaxInt32 > inf {
				w = b
			}
			y[i] = w
		}
	}
}

// reluGradF32 keeps the bits of dy where those of y are a positive number.
func reluGradF32(dx, dy, y []int32) func(lo, hi int) {
	return func(lo, hi int) {
		dy := dy[lo:hi]
		dx, y := dx[lo:hi][:len(dy)], y[lo:hi][:len(dy)]
		for i, v := range dy {
			b := y[i]
			dx[i] = v & ((-b >> 31) &^ (b >> 31))
		}
	}
}
