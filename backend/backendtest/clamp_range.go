package backendtest

import (
	"fmt"
	"math"
	"math/rand/v2"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/tensor"
)

func init() {
	inf := float32(math.Inf(1))
	Register(Conformance{
		Op: backend.ClampRange{},
		Cases: func(r *rand.Rand) []Case {
			var cs []Case
			for _, n := range []int{0, 1, 7, 64, 513, 270001} {
				for _, op := range []backend.ClampRange{{Lo: -inf, Hi: inf}, {Hi: inf}, {Hi: 6}, {Lo: -1, Hi: 1}} {
					cs = append(cs, Case{Name: fmt.Sprint(n, op), Op: op, In: []*tensor.Tensor{Normal(r, 3, n)}, Exact: true})
				}
			}
			x := Normal(r, 3, 1001)
			x.F32()[1000] = float32(math.NaN())
			for _, e := range [][2]float32{{-3, 8}, {1, 2}, {inf, -inf}, {-inf, inf}, {float32(math.NaN()), float32(math.NaN())}} {
				x := tensor.FromF32([]float32{e[0], e[1]}, 2)
				if e[0] > e[1] {
					x = tensor.FromF32(nil, 0)
				}
				cs = append(cs, Case{Name: fmt.Sprint("ends ", e), Op: backend.ClampRange{Hi: 6}, In: []*tensor.Tensor{x, tensor.FromF32(e[:], 2)}, Exact: true})
			}
			return append(cs, Case{Name: "nan", Op: backend.ClampRange{Hi: inf}, In: []*tensor.Tensor{x}, Exact: true})
		},
		Ref: func(op backend.Op, in, out []*tensor.Tensor) {
			o := op.(backend.ClampRange)
			lo, hi := math.Inf(1), math.Inf(-1)
			for i := range in[0].Numel() {
				v := math.Min(math.Max(in[0].At(i), float64(o.Lo)), float64(o.Hi))
				lo, hi = math.Min(lo, v), math.Max(hi, v)
			}
			Set(out[0], 0, lo)
			Set(out[0], 1, hi)
		},
	})
}
