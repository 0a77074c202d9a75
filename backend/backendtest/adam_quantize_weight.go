package backendtest

import (
	"fmt"
	"math/rand/v2"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/quant"
	"github.com/goqat/goqat/tensor"
)

func init() {
	Register(Conformance{
		Op: backend.AdamQuantizeWeight{},
		Cases: func(r *rand.Rand) []Case {
			var cs []Case
			// With these factors, gradients that are powers of two and moments
			// to match, the first step has neither a rounded root nor a rounded
			// quotient.
			for _, adam := range []backend.Adam{{Beta1: 0.5, Beta2: 0.75}, {Beta1: 0.5, Beta2: 0.75, WeightDecay: 0.25, Decoupled: true}} {
				for _, s := range weightSchemes() {
					for _, shape := range codedShapes(s) {
						p, g, m, v := dyadic(r, shape), dyadic(r, shape), dyadic(r, shape), dyadic(r, shape)
						for i := range g.F32() {
							x := []float32{-2, -1, -0.5, 0.5, 1, 2}[r.IntN(6)]
							g.F32()[i], v.F32()[i] = x, float32(r.IntN(2))*x*x
						}
						op := backend.AdamQuantizeWeight{Adam: adam, Rule: quant.PyTorch, Scheme: s}
						in := []*tensor.Tensor{p, g, m, v, rateOf(0.125), tensor.FromI64([]int64{1}, 1)}
						cs = append(cs, Case{Name: fmt.Sprint(adam, s, shape), Op: op, In: append(in, codedOutputs(s, p)...), Exact: true})
					}
				}
			}
			return cs
		},
		Ref: func(op backend.Op, in, out []*tensor.Tensor) {
			o := op.(backend.AdamQuantizeWeight)
			registered["adam"].Ref(o.Adam, in[:6], out[3:])
			refWeightCodes(o.Rule, o.Scheme, out[3], out)
		},
	})
}
