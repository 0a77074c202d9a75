package backendtest

import (
	"math/rand/v2"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/tensor"
)

// Alone, a backend leaves the tensors as they are; groups have tests of their
// own.
func init() {
	cases := func(op backend.Op) func(r *rand.Rand) []Case {
		return func(r *rand.Rand) []Case {
			return []Case{
				{Name: "one", Op: op, Exact: true, In: []*tensor.Tensor{Normal(r, 1, 513), Normal(r, 1, 1), Normal(r, 1, 7)}},
				{Name: "empty", Op: op, Exact: true, In: []*tensor.Tensor{Normal(r, 1, 0), Normal(r, 1, 3, 5), Normal(r, 1, 0)}},
			}
		}
	}
	same := func(_ backend.Op, in, out []*tensor.Tensor) {
		for i := range in {
			copy(out[i].Bytes(), in[i].Bytes())
		}
	}
	Register(Conformance{Op: backend.AllReduce{}, Cases: cases(backend.AllReduce{Least: 1, Greatest: 1}), Ref: same})
	Register(Conformance{Op: backend.AllReduceWait{}, Cases: cases(backend.AllReduceWait{}), Ref: same})
}
