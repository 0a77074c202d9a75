package cpu

import (
	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/tensor"
)

func init() {
	register(backend.BiasGrad{}, kernel{types: floats, bind: func(b *Backend, _ backend.Op, out, in []*tensor.Tensor) (func() error, error) {
		if in[0].DType() == tensor.F64 {
			return bindBiasGrad(b, elements[float64](out[0]), elements[float64](in[0])), nil
		}
		return bindBiasGrad(b, elements[float32](out[0]), elements[float32](in[0])), nil
	}})
}

func bindBiasGrad[T float](b *Backend, db, dy []T) func() error {
	c := len(db)
	rows := len(dy) / max(c, 1)
	size, count := rowChunks(rows, c)
	var parts []float64
	body := func(lo, hi int) {
		part := parts[lo/size*c : (lo/size+1)*c]
		clear(part)
		columnSums(part, dy[lo*c:hi*c], c)
	}
	b.scratch.need(count * c * 8)
	return func() error {
		if rows == 0 {
			clear(db)
			return nil
		}
		ws := b.scratch.take(count * c * 8)
		parts = tensor.Cast[float64](ws.t.Bytes(), count*c)
		parallel(rows, size, body)
		for i, s := range addChunks(parts, c, count) {
			db[i] = T(s)
		}
		b.scratch.give(ws)
		return nil
	}
}
