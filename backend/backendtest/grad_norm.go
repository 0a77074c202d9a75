package backendtest

import (
	"math"
	"math/rand/v2"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/tensor"
)

func init() {
	op := backend.GradNorm{}
	Register(Conformance{
		Op: op,
		Cases: func(r *rand.Rand) []Case {
			return []Case{
				{Name: "one", Op: op, In: []*tensor.Tensor{Normal(r, 1, 7)}},
				{Name: "many", Op: op, In: []*tensor.Tensor{Normal(r, 1, 4096), Normal(r, 1, 3, 5), Normal(r, 1, 0), Normal(r, 1), Normal(r, 1, 9, 1000)}},
				{Name: "double", Op: op, In: []*tensor.Tensor{Double(Normal(r, 1, 4097)), Double(Normal(r, 1, 2))}},
				{Name: "nothing", Op: op, In: []*tensor.Tensor{Normal(r, 1, 0)}},
				{Name: "large", Op: op, In: []*tensor.Tensor{Normal(r, 1e25, 100)}}, // The squares overflow float32.
				{Name: "nan", Op: op, In: []*tensor.Tensor{Normal(r, 1, 5), tensor.FromF32([]float32{float32(math.NaN())}, 1)}},
			}
		},
		Ref: func(_ backend.Op, in, out []*tensor.Tensor) {
			var sum float64
			for _, t := range in {
				for i := range t.Numel() {
					sum += t.At(i) * t.At(i)
				}
			}
			Set(out[0], 0, math.Sqrt(sum))
		},
	})
}
