package backendtest

import (
	"fmt"
	"math/rand/v2"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/tensor"
)

func init() {
	op := backend.EMA{Decay: 0.99}
	Register(Conformance{
		Op: op,
		Cases: func(r *rand.Rand) []Case {
			var cs []Case
			for _, n := range []int{0, 1, 513, 70001} {
				a, x := Normal(r, 1, n), Normal(r, 1, n)
				cs = append(cs,
					Case{Name: fmt.Sprint("n=", n), Op: op, In: []*tensor.Tensor{a, x}},
					Case{Name: fmt.Sprint("double/n=", n), Op: op, In: []*tensor.Tensor{Double(a), Double(x)}})
			}
			return cs
		},
		Ref: func(_ backend.Op, in, out []*tensor.Tensor) {
			for i := range in[0].Numel() {
				Set(out[0], i, 0.99*in[0].At(i)+0.01*in[1].At(i))
			}
		},
	})
}
