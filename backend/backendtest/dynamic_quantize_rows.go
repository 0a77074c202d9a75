package backendtest

import (
	"fmt"
	"math"
	"math/rand/v2"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/quant"
	"github.com/goqat/goqat/tensor"
)

func init() {
	Register(Conformance{
		Op: backend.DynamicQuantizeRows{},
		Cases: func(r *rand.Rand) []Case {
			op := backend.DynamicQuantizeRows{Rule: quant.ONNX}
			var cs []Case
			for _, dims := range [][]int{{1}, {7}, {0, 5}, {5, 0}, {3, 1}, {33, 70}, {2, 3, 129}, {9, 4096}, {3, 9001}, {2000, 3}} {
				x := Normal(r, 3, dims...)
				if n := len(x.F32()); n > 100 {
					k := x.Shape().Last()
					clear(x.F32()[:k]) // A row of zeros, and one of tiny numbers.
					x.F32()[k] = 1e-30
				}
				cs = append(cs, Case{Name: fmt.Sprint(dims), Op: op, In: []*tensor.Tensor{x}, Exact: true})
			}
			bad := func(name string, v float64, err error) Case {
				x := Normal(r, 1, 5, 40)
				x.F32()[77] = float32(v)
				return Case{Name: name, Op: op, In: []*tensor.Tensor{x}, Err: err}
			}
			return withHalves(append(cs, bad("nan", math.NaN(), backend.ErrNaN), bad("infinity", math.Inf(-1), quant.ErrRange)), 0)
		},
		Ref: func(_ backend.Op, in, out []*tensor.Tensor) {
			x, k := realsOf(in[0]), in[0].Shape().Last()
			for r := range out[1].Numel() {
				var m float32
				for _, v := range x[r*k : (r+1)*k] {
					m = max(m, v, -v)
				}
				scale := m / 127
				if scale == 0 {
					scale = 1
				}
				Set(out[1], r, float64(scale))
				for i := r * k; i < (r+1)*k; i++ {
					Set(out[0], i, math.Min(math.Max(math.RoundToEven(float64(x[i]/scale)), -127), 127))
				}
			}
		},
	})
}
