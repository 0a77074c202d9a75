package backendtest

import (
	"fmt"
	"math"
	"math/rand/v2"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/tensor"
)

func init() {
	op := backend.ClipScale{Max: 2}
	Register(Conformance{
		Op: op,
		Cases: func(*rand.Rand) []Case {
			var cs []Case
			for _, v := range []float32{0, 1, 2, 2.5, 1e9, float32(math.Inf(1)), float32(math.NaN())} {
				cs = append(cs, Case{Name: fmt.Sprint("norm=", v), Op: op, In: []*tensor.Tensor{tensor.FromF32([]float32{v}, 1)}})
			}
			return append(cs, Case{Name: "double", Op: op, In: []*tensor.Tensor{tensor.FromF64([]float64{3}, 1)}})
		},
		Ref: func(_ backend.Op, in, out []*tensor.Tensor) {
			Set(out[0], 0, math.Min(1, 2/(in[0].At(0)+1e-6)))
		},
	})
}
