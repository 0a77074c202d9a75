package backendtest

import (
	"fmt"
	"math/rand/v2"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/tensor"
)

func rateOf(v float32) *tensor.Tensor { return tensor.FromF32([]float32{v}, 1) }

func init() {
	Register(Conformance{
		Op: backend.SGD{},
		Cases: func(r *rand.Rand) []Case {
			var cs []Case
			for _, op := range []backend.SGD{{}, {WeightDecay: 0.01}, {Momentum: 0.9}, {Momentum: 0.9, WeightDecay: 5e-4, Nesterov: true}} {
				for _, n := range []int{0, 1, 513, 70001} {
					in := []*tensor.Tensor{Normal(r, 1, n), Normal(r, 1, n), nil, rateOf(0.1)}
					if op.Momentum != 0 {
						in[2] = Normal(r, 1, n)
					}
					cs = append(cs, Case{Name: fmt.Sprintf("%v/n=%d", op, n), Op: op, In: in})
				}
			}
			op := backend.SGD{Momentum: 0.9, WeightDecay: 5e-4}
			cs = append(cs, Case{Name: "moving", Op: op, In: []*tensor.Tensor{Normal(r, 1, 77), Normal(r, 1, 77), Normal(r, 1, 77), rateOf(0.1), rateOf(0.85)}})
			return append(cs, Case{Name: "double", Op: op, In: []*tensor.Tensor{Double(Normal(r, 1, 9)), Double(Normal(r, 1, 9)), Double(Normal(r, 1, 9)), rateOf(0.1)}})
		},
		Ref: func(op backend.Op, in, out []*tensor.Tensor) {
			o, lr := op.(backend.SGD), in[3].At(0)
			for i := range in[0].Numel() {
				p := in[0].At(i)
				d := in[1].At(i) + float64(o.WeightDecay)*p
				mu := float64(o.Momentum)
				if len(in) > 4 {
					mu = in[4].At(0)
				}
				if o.Momentum != 0 {
					v := mu*in[2].At(i) + d
					Set(out[1], i, v)
					if o.Nesterov {
						d += mu * v
					} else {
						d = v
					}
				}
				Set(out[0], i, p-lr*d)
			}
		},
	})
}
