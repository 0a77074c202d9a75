package backendtest

import (
	"fmt"
	"math/rand/v2"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/tensor"
)

func init() {
	op := backend.ScaleBy{}
	Register(Conformance{
		Op: op,
		Cases: func(r *rand.Rand) []Case {
			var cs []Case
			for _, n := range []int{0, 1, 513, 70001} {
				x, f := Normal(r, 1, n), Normal(r, 1, 1)
				cs = append(cs,
					Case{Name: fmt.Sprint("n=", n), Op: op, In: []*tensor.Tensor{x, f}, Exact: true},
					Case{Name: fmt.Sprint("double/n=", n), Op: op, In: []*tensor.Tensor{Double(x), Double(f)}, Exact: true})
			}
			return cs
		},
		Ref: func(_ backend.Op, in, out []*tensor.Tensor) {
			for i := range in[0].Numel() {
				Set(out[0], i, in[0].At(i)*in[1].At(0))
			}
		},
	})
}
