package backendtest

import (
	"math/rand/v2"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/tensor"
)

func init() {
	Register(Conformance{
		Op: backend.Reshape{},
		Cases: func(r *rand.Rand) []Case {
			var cs []Case
			for _, x := range everyType(r, 6, 5, 4) {
				cs = append(cs, Case{Name: x.String(), Op: backend.Reshape{Shape: tensor.NewDims(0, -1, 2, 1)}, In: []*tensor.Tensor{x}, Exact: true})
			}
			return append(cs, Case{Name: "empty", Op: backend.Reshape{Shape: tensor.NewDims(0, 7)}, In: []*tensor.Tensor{Normal(r, 1, 0, 3)}})
		},
		Ref: func(_ backend.Op, in, out []*tensor.Tensor) { copy(out[0].Bytes(), in[0].Bytes()) },
	})
}
