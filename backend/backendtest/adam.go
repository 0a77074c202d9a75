package backendtest

import (
	"fmt"
	"math"
	"math/rand/v2"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/tensor"
)

func init() {
	Register(Conformance{
		Op: backend.Adam{},
		Cases: func(r *rand.Rand) []Case {
			var cs []Case
			for _, op := range []backend.Adam{
				{Beta1: 0.9, Beta2: 0.999, Eps: 1e-8},
				{Beta1: 0.9, Beta2: 0.999, Eps: 1e-8, WeightDecay: 0.01},
				{Beta1: 0.8, Beta2: 0.99, Eps: 1e-6, WeightDecay: 0.05, Decoupled: true},
			} {
				for _, step := range []int64{1, 2, 1000} {
					for _, n := range []int{0, 1, 513, 20001} {
						v := Normal(r, 0.1, n)
						for i, x := range v.F32() {
							v.F32()[i] = x * x
						}
						cs = append(cs, Case{Name: fmt.Sprintf("%v/step=%d/n=%d", op, step, n), Op: op, In: []*tensor.Tensor{
							Normal(r, 1, n), Normal(r, 0.1, n), Normal(r, 0.1, n), v, rateOf(1e-3), tensor.FromI64([]int64{step}, 1)}})
					}
				}
			}
			return cs
		},
		Ref: func(op backend.Op, in, out []*tensor.Tensor) {
			o, lr, t := op.(backend.Adam), in[4].At(0), in[5].At(0)
			b1, b2, wd := float64(o.Beta1), float64(o.Beta2), float64(o.WeightDecay)
			for i := range in[0].Numel() {
				p, g := in[0].At(i), in[1].At(i)
				if o.Decoupled {
					p -= lr * wd * p
				} else {
					g += wd * p
				}
				m := b1*in[2].At(i) + (1-b1)*g
				v := b2*in[3].At(i) + (1-b2)*g*g
				mhat, vhat := m/(1-math.Pow(b1, t)), v/(1-math.Pow(b2, t))
				Set(out[0], i, p-lr*mhat/(math.Sqrt(vhat)+float64(o.Eps)))
				Set(out[1], i, m)
				Set(out[2], i, v)
			}
		},
	})
}
