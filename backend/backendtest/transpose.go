package backendtest

import (
	"fmt"
	"math/rand/v2"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/tensor"
)

func init() {
	Register(Conformance{
		Op: backend.Transpose{},
		Cases: func(r *rand.Rand) []Case {
			var cs []Case
			add := func(x *tensor.Tensor, perm ...int) {
				cs = append(cs, Case{Name: fmt.Sprint(x, perm), Op: backend.Transpose{Perm: tensor.NewDims(perm...)}, In: []*tensor.Tensor{x}, Exact: true})
			}
			for _, x := range everyType(r, 3, 5, 4, 7) {
				add(x, 0, 3, 1, 2)
				add(x, 0, 2, 3, 1)
				add(x, 3, 2, 1, 0)
				add(x, 1, 0, 2, 3)
				add(x, 0, 1, 2, 3)
			}
			add(Normal(r, 1, 65, 130), 1, 0)
			add(Normal(r, 1, 2, 33, 1, 70), 3, 2, 1, 0)
			add(Codes(r, tensor.I8, -128, 127, 2, 67, 3), 2, 0, 1)
			add(Normal(r, 1, 300, 200), 1, 0)
			add(Normal(r, 1))
			add(Normal(r, 1, 9), 0)
			add(Normal(r, 1, 3, 0), 1, 0)
			return cs
		},
		Ref: func(op backend.Op, in, out []*tensor.Tensor) {
			perm, s := op.(backend.Transpose).Perm, in[0].Shape()
			for i := range out[0].Numel() {
				y, x := indexOf(out[0].Shape(), i), make([]int, len(s))
				for k := range s {
					x[perm.V[k]] = y[k]
				}
				copyElement(out[0], i, in[0], flatOf(s, x))
			}
		},
	})
}
