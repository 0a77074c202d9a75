package backendtest

import (
	"math/rand/v2"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/tensor"
)

func init() {
	Register(Conformance{
		Op: backend.AveragePool{},
		Cases: func(r *rand.Rand) []Case {
			var cs []Case
			for _, c := range poolCases() {
				for _, pad := range []bool{false, true} {
					op := backend.AveragePool{Window: c.win, Kernel: c.kernel, Ceil: c.ceil, CountPad: pad}
					cs = append(cs, Case{Name: poolName(c, pad), Op: op, In: []*tensor.Tensor{Normal(r, 1, c.x...)}})
				}
			}
			return cs
		},
		Ref: func(op backend.Op, in, out []*tensor.Tensor) {
			p := op.(backend.AveragePool)
			poolWindows(p.Window, p.Kernel, in[0].Shape(), out[0].Shape(), func(iy int, ix, _ []int, padded int) {
				var s float64
				for _, k := range ix {
					s += in[0].At(k)
				}
				Set(out[0], iy, s/divisor(p, len(ix), padded))
			})
		},
	})
	Register(Conformance{
		Op: backend.AveragePoolGrad{},
		Cases: func(r *rand.Rand) []Case {
			var cs []Case
			for _, c := range poolCases() {
				for _, pad := range []bool{false, true} {
					op := backend.AveragePool{Window: c.win, Kernel: c.kernel, Ceil: c.ceil, CountPad: pad}
					cs = append(cs, Case{
						Name: poolName(c, pad), Op: backend.AveragePoolGrad{AveragePool: op, Input: tensor.NewDims(c.x...)},
						In: []*tensor.Tensor{Normal(r, 1, c.output()...)},
					})
				}
			}
			return cs
		},
		Ref: func(op backend.Op, in, out []*tensor.Tensor) {
			p := op.(backend.AveragePoolGrad).AveragePool
			dx := make([]float64, out[0].Numel())
			poolWindows(p.Window, p.Kernel, out[0].Shape(), in[0].Shape(), func(iy int, ix, _ []int, padded int) {
				for _, k := range ix {
					dx[k] += in[0].At(iy) / divisor(p, len(ix), padded)
				}
			})
			setAll(out[0], dx)
		},
	})
}

// divisor is what the sum of a window with n elements inside the input, and
// padded inside the padded input, is divided by.
func divisor(p backend.AveragePool, n, padded int) float64 {
	if p.CountPad {
		n = padded
	}
	return float64(max(n, 1))
}
