package backendtest

import (
	"math/rand/v2"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/quant"
	"github.com/goqat/goqat/tensor"
)

func init() {
	Register(Conformance{
		Op: backend.QuantizeLinear{},
		Cases: func(r *rand.Rand) []Case {
			var cs []Case
			for _, q := range quantizerCases(r) {
				cs = append(cs, Case{Name: q.name, Op: backend.QuantizeLinear{Rule: q.rule, Scheme: q.scheme}, In: q.in})
			}
			q := quantizerInputs(r, quant.UInt8(), []int{1001})
			cs = append(cs, Case{Name: "nan", Op: backend.QuantizeLinear{Scheme: quant.UInt8()}, In: withNaN(q), Err: backend.ErrNaN})
			return withHalves(cs, 0)
		},
		Ref: func(op backend.Op, in, out []*tensor.Tensor) {
			o := op.(backend.QuantizeLinear)
			refQuantizer(o.Rule, o.Scheme, in, out[1], func(i int, q float64, _ float32, _ int32) { Set(out[0], i, q) })
		},
	})
}
