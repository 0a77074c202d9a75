package backendtest

import (
	"math/rand/v2"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/tensor"
)

func init() {
	shapes := [][]int{{7}, {3, 5, 2}, {9001}, {40, 1000}, {}, {0}}
	Register(Conformance{
		Op: backend.MSE{},
		Cases: func(r *rand.Rand) []Case {
			var cs []Case
			for _, s := range shapes {
				x, y := Normal(r, 1, s...), Normal(r, 1, s...)
				cs = append(cs,
					Case{Name: x.String(), Op: backend.MSE{}, In: []*tensor.Tensor{x, y}},
					Case{Name: "double/" + x.String(), Op: backend.MSE{}, In: []*tensor.Tensor{Double(x), Double(y)}})
			}
			return cs
		},
		Ref: func(_ backend.Op, in, out []*tensor.Tensor) {
			var sum float64
			for i := range in[0].Numel() {
				d := in[0].At(i) - in[1].At(i)
				sum += d * d
			}
			Set(out[0], 0, sum/float64(in[0].Numel()))
		},
	})
	Register(Conformance{
		Op: backend.MSEGrad{},
		Cases: func(r *rand.Rand) []Case {
			var cs []Case
			for _, s := range shapes {
				x := Normal(r, 1, s...)
				cs = append(cs, Case{Name: x.String(), Op: backend.MSEGrad{}, In: []*tensor.Tensor{Normal(r, 1), x, Normal(r, 1, s...)}})
			}
			return cs
		},
		Ref: func(_ backend.Op, in, out []*tensor.Tensor) {
			for i := range in[1].Numel() {
				Set(out[0], i, in[0].At(0)*2*(in[1].At(i)-in[2].At(i))/float64(in[1].Numel()))
			}
		},
	})
}
