package cpu

import (
	"math"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/tensor"
)

func init() {
	register(backend.GradNorm{}, kernel{types: floats, bind: func(b *Backend, _ backend.Op, out, in []*tensor.Tensor) (func() error, error) {
		if in[0].DType() == tensor.F64 {
			return bindGradNorm[float64](b, out[0], in), nil
		}
		return bindGradNorm[float32](b, out[0], in), nil
	}})
}

func bindGradNorm[T float](b *Backend, out *tensor.Tensor, in []*tensor.Tensor) func() error {
	var chunks [][]T
	for _, t := range in {
		for x := typed[T](t); len(x) > 0; {
			n := min(len(x), sumChunk)
			chunks = append(chunks, x[:n])
			x = x[n:]
		}
	}
	norm := typed[T](out)
	var part []float64
	body := func(lo, hi int) {
		for c := lo; c < hi; c++ {
			part[c] = runSquares(0, chunks[c])
		}
	}
	b.scratch.need(8 * len(chunks))
	return func() error {
		sc := b.scratch.take(8 * len(chunks))
		part = scratchOf[float64](sc, 0, len(chunks))
		parallel(len(chunks), 4, body)
		var sum float64
		for _, p := range part {
			sum += p
		}
		norm[0] = T(math.Sqrt(sum))
		part = nil
		b.scratch.give(sc)
		return nil
	}
}
