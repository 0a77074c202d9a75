package backendtest

import (
	"fmt"
	"math/rand/v2"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/tensor"
)

func init() {
	Register(Conformance{
		Op: backend.KLDivergence{},
		Cases: func(r *rand.Rand) []Case {
			var cs []Case
			for _, s := range crossEntropyShapes() {
				for _, temp := range []float32{1, 4, 0.5} {
					a, b := Normal(r, 3, s...), Normal(r, 3, s...)
					op := backend.KLDivergence{Temperature: temp}
					cs = append(cs,
						Case{Name: fmt.Sprintf("%v/T=%v", s, temp), Op: op, In: []*tensor.Tensor{a, b}},
						Case{Name: fmt.Sprintf("double/%v/T=%v", s, temp), Op: op, In: []*tensor.Tensor{Double(a), Double(b)}})
				}
			}
			return cs
		},
		Ref: func(op backend.Op, in, out []*tensor.Tensor) {
			temp := float64(op.(backend.KLDivergence).Temperature)
			c := in[0].Shape().Last()
			var p, q, lp, lq *tensor.Tensor
			for _, o := range []struct {
				to  **tensor.Tensor
				in  int
				log bool
			}{{&p, 0, false}, {&q, 1, false}, {&lp, 0, true}, {&lq, 1, true}} {
				x := Double(in[o.in])
				for i := range x.F64() {
					x.F64()[i] /= temp
				}
				*o.to = tensor.New(x.Spec())
				softmaxInto(*o.to, x, -1, o.log)
			}
			var loss float64
			for i := range p.F64() {
				loss += q.At(i) * (lq.At(i) - lp.At(i))
				Set(out[1], i, p.At(i)-q.At(i))
			}
			Set(out[0], 0, temp*temp*loss/float64(in[0].Numel()/c))
		},
	})
}
