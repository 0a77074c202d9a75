package backendtest

import (
	"math/rand/v2"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/tensor"
)

func init() {
	Elementwise(backend.Relu{}, func(x float64) float64 { return max(x, 0) })
	Register(Conformance{
		Op: backend.ReluGrad{},
		Cases: func(r *rand.Rand) []Case {
			y := Normal(r, 1, 1003)
			for i := range y.F32() {
				y.F32()[i] = max(y.F32()[i], 0)
			}
			return []Case{{Name: "tail", Op: backend.ReluGrad{}, In: []*tensor.Tensor{Normal(r, 1, 1003), y}, Exact: true}}
		},
		Ref: func(_ backend.Op, in, out []*tensor.Tensor) {
			for i := range in[0].Numel() {
				if in[1].At(i) > 0 {
					Set(out[0], i, in[0].At(i))
				}
			}
		},
	})
}
