package backendtest

import (
	"fmt"
	"math/rand/v2"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/tensor"
)

var globalPoolShapes = []tensor.Shape{{2, 5, 7, 13}, {128, 7, 7, 64}, {3, 9, 4}, {1, 1, 1, 1}, {2, 2, 3, 2, 5}, {0, 3, 3, 4}, {2, 3, 3, 0}}

func init() {
	Register(Conformance{
		Op: backend.GlobalAveragePool{},
		Cases: func(r *rand.Rand) []Case {
			var cs []Case
			for _, s := range globalPoolShapes {
				for _, keep := range []bool{false, true} {
					cs = append(cs, Case{Name: fmt.Sprint(s, keep), Op: backend.GlobalAveragePool{KeepDims: keep}, In: []*tensor.Tensor{Normal(r, 1, s...)}})
				}
			}
			return cs
		},
		Ref: func(_ backend.Op, in, out []*tensor.Tensor) {
			s := in[0].Shape()
			mean := make([]float64, out[0].Numel())
			plane := s[1 : len(s)-1].Numel()
			for i := range in[0].Numel() {
				mean[i/(plane*s.Last())*s.Last()+i%s.Last()] += in[0].At(i) / float64(plane)
			}
			setAll(out[0], mean)
		},
	})
	Register(Conformance{
		Op: backend.GlobalAveragePoolGrad{},
		Cases: func(r *rand.Rand) []Case {
			var cs []Case
			for _, s := range globalPoolShapes {
				kept := s.Clone()
				for i := 1; i < len(kept)-1; i++ {
					kept[i] = 1
				}
				for _, dy := range []tensor.Shape{{s[0], s.Last()}, kept} {
					cs = append(cs, Case{Name: fmt.Sprint(s, dy), Op: backend.GlobalAveragePoolGrad{Input: tensor.NewDims(s...)}, In: []*tensor.Tensor{Normal(r, 1, dy...)}})
				}
			}
			return cs
		},
		Ref: func(_ backend.Op, in, out []*tensor.Tensor) {
			s := out[0].Shape()
			plane := s[1 : len(s)-1].Numel()
			for i := range out[0].Numel() {
				Set(out[0], i, in[0].At(i/(plane*s.Last())*s.Last()+i%s.Last())/float64(plane))
			}
		},
	})
}
