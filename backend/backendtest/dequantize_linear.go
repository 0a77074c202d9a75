package backendtest

import (
	"math/rand/v2"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/tensor"
)

func init() {
	Register(Conformance{
		Op: backend.DequantizeLinear{},
		Cases: func(r *rand.Rand) []Case {
			var cs []Case
			for i, q := range quantizerCases(r) {
				lo, hi := q.scheme.Range()
				codes := Codes(r, q.scheme.DType(), int(lo), int(hi), q.in[0].Shape()...)
				name := q.name
				if i%3 == 1 {
					name += "_int32"
					codes = tensor.New(tensor.Of(tensor.I32, q.in[0].Shape()...))
					for i := range codes.I32() {
						codes.I32()[i] = int32(r.Uint32()) / 2
					}
				}
				in := []*tensor.Tensor{codes, q.in[1], q.in[2]}
				if i%3 == 2 {
					name, in[2] = name+"_no_zero", nil
				}
				cs = append(cs, Case{Name: name, Op: backend.DequantizeLinear{Scheme: q.scheme}, In: in, Exact: true})
			}
			return withHalfResults(cs, func(o backend.Op) backend.Op {
				op := o.(backend.DequantizeLinear)
				op.Result = tensor.BF16
				return op
			})
		},
		Ref: func(op backend.Op, in, out []*tensor.Tensor) {
			l, err := op.(backend.DequantizeLinear).Scheme.Layout(in[0].Shape())
			if err != nil {
				panic(err)
			}
			for i := range in[0].Numel() {
				c, zero := channel(l, i), 0.0
				if in[2] != nil {
					zero = in[2].At(c)
				}
				Set(out[0], i, float64(float32(in[0].At(i)-zero)*in[1].F32()[c]))
			}
		},
	})
}
