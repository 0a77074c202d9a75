package cpu

import (
	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/tensor"
)

func init() {
	register(backend.MSE{}, kernel{types: floats, bind: func(b *Backend, _ backend.Op, out, in []*tensor.Tensor) (func() error, error) {
		if in[0].DType() == tensor.F64 {
			return bindMSE(b, out[0].F64(), in[0].F64(), in[1].F64()), nil
		}
		return bindMSE(b, out[0].F32(), in[0].F32(), in[1].F32()), nil
	}})
	register(backend.MSEGrad{}, kernel{types: floats, bind: func(_ *Backend, _ backend.Op, out, in []*tensor.Tensor) (func() error, error) {
		if in[0].DType() == tensor.F64 {
			return bindMSEGrad(out[0].F64(), in[0].F64(), in[1].F64(), in[2].F64()), nil
		}
		return bindMSEGrad(out[0].F32(), in[0].F32(), in[1].F32(), in[2].F32()), nil
	}})
}

// sumChunk is the number of elements whose partial sum is taken at once by
// reductions of a whole tensor to one number.
const sumChunk = 4096

func bindMSE[T float](b *Backend, loss, x, target []T) func() error {
	chunks := (len(x) + sumChunk - 1) / sumChunk
	var part []float64
	body := func(lo, hi int) {
		for c := lo; c < hi; c++ {
			from := c * sumChunk
			a := x[from:min(from+sumChunk, len(x))]
			t := target[from:][:len(a)]
			var sum float64
			for i, v := range a {
				d := float64(v) - float64(t[i])
				sum += float64(d * d)
			}
			part[c] = sum
		}
	}
	b.scratch.need(8 * chunks)
	return func() error {
		sc := b.scratch.take(8 * chunks)
		part = scratchOf[float64](sc, 0, chunks)
		parallel(chunks, 4, body)
		var sum float64
		for _, p := range part {
			sum += p
		}
		loss[0] = T(sum / float64(len(x)))
		part = nil
		b.scratch.give(sc)
		return nil
	}
}

func bindMSEGrad[T float](dx, dloss, x, target []T) func() error {
	grain := grainFor(len(x), 1)
	body := func(lo, hi int) {
		f := T(2 * float64(dloss[0]) / float64(len(dx)))
		d, a, t := dx[lo:hi], x[lo:hi], target[lo:hi]
		for i, v := range a {
			d[i] = f * (v - t[i])
		}
	}
	return func() error { parallel(len(x), grain, body); return nil }
}
