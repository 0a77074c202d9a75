package backendtest

import (
	"fmt"
	"math/rand/v2"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/tensor"
)

func init() {
	Register(Conformance{
		Op: backend.Concat{},
		Cases: func(r *rand.Rand) []Case {
			var cs []Case
			for axis := -3; axis < 3; axis++ {
				sizes := func(n int) []int {
					d := []int{4, 5, 6}
					d[(axis+3)%3] = n
					return d
				}
				cs = append(cs,
					Case{Name: fmt.Sprintf("axis=%d", axis), Op: backend.Concat{Axis: axis}, In: []*tensor.Tensor{Normal(r, 1, sizes(3)...), Normal(r, 1, sizes(0)...), Normal(r, 1, sizes(8)...)}},
					Case{Name: fmt.Sprintf("int8/axis=%d", axis), Op: backend.Concat{Axis: axis}, In: []*tensor.Tensor{Codes(r, tensor.I8, -128, 127, sizes(1)...), Codes(r, tensor.I8, -128, 127, sizes(2)...)}},
					Case{Name: fmt.Sprintf("int64/axis=%d", axis), Op: backend.Concat{Axis: axis}, In: []*tensor.Tensor{Ints(r, tensor.I64, -9, 9, sizes(7)...)}})
			}
			return append(cs, Case{Name: "large", Op: backend.Concat{Axis: 1}, In: []*tensor.Tensor{Normal(r, 1, 3, 20000), Normal(r, 1, 3, 1)}})
		},
		Ref: func(op backend.Op, in, out []*tensor.Tensor) {
			axis := op.(backend.Concat).Axis
			if axis < 0 {
				axis += len(out[0].Shape())
			}
			from := 0
			for _, t := range in {
				for i := range t.Numel() {
					x := indexOf(t.Shape(), i)
					x[axis] += from
					copyElement(out[0], flatOf(out[0].Shape(), x), t, i)
				}
				from += t.Shape()[axis]
			}
		},
	})
}
