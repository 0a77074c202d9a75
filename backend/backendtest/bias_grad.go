package backendtest

import (
	"fmt"
	"math/rand/v2"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/tensor"
)

func init() {
	Register(Conformance{
		Op: backend.BiasGrad{},
		Cases: func(r *rand.Rand) []Case {
			var cs []Case
			for _, s := range []tensor.Shape{{3}, {1, 1}, {7, 5}, {128, 10}, {2, 9, 7, 13}, {5000, 6}, {70001, 1}, {3, 4099}, {0, 4}, {4, 0}} {
				cs = append(cs, Case{Name: fmt.Sprint(s), Op: backend.BiasGrad{}, In: []*tensor.Tensor{Normal(r, 1, s...)}})
			}
			return cs
		},
		Ref: func(_ backend.Op, in, out []*tensor.Tensor) {
			db := make([]float64, out[0].Numel())
			for i := range in[0].Numel() {
				db[i%len(db)] += in[0].At(i)
			}
			setAll(out[0], db)
		},
	})
}
