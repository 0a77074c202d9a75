package cpu

import (
	"math"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/backend/cpu/internal/codes"
	"github.com/goqat/goqat/tensor"
)

func init() {
	register(backend.ClampRange{}, kernel{types: []tensor.DType{tensor.F32}, bind: func(b *Backend, op backend.Op, out, in []*tensor.Tensor) (func() error, error) {
		o := op.(backend.ClampRange)
		x, ends := in[0].F32(), f32Of(out[0], 2)
		size := max(65536, (len(x)+extremeParts-1)/extremeParts)
		parts := make([][2]float32, (len(x)+size-1)/size)
		body := func(lo, hi int) {
			least, most, nan := codes.Extremes(x[lo:hi], float32(math.Inf(1)), float32(math.Inf(-1)))
			if nan {
				least, most = float32(math.NaN()), float32(math.NaN())
			}
			parts[lo/size] = [2]float32{least, most}
		}
		return func() error {
			parallel(len(x), size, body)
			lo, hi := float32(math.Inf(1)), float32(math.Inf(-1))
			for _, p := range parts {
				lo, hi = min(lo, min(max(p[0], o.Lo), o.Hi)), max(hi, min(max(p[1], o.Lo), o.Hi))
			}
			ends[0], ends[1] = lo+0, hi+0
			return nil
		}, nil
	}})
}
