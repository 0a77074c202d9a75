package backendtest

import (
	"math/rand/v2"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/tensor"
)

func init() {
	op := backend.Increment{}
	Register(Conformance{
		Op: op,
		Cases: func(*rand.Rand) []Case {
			return []Case{
				{Name: "step", Op: op, In: []*tensor.Tensor{tensor.FromI64([]int64{41}, 1)}},
				{Name: "seed and step", Op: op, In: []*tensor.Tensor{tensor.FromI64([]int64{-7, 1 << 40}, 2)}},
			}
		},
		Ref: func(_ backend.Op, in, out []*tensor.Tensor) {
			copy(out[0].I64(), in[0].I64())
			out[0].I64()[in[0].Numel()-1]++
		},
	})
}
