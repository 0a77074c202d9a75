package backendtest

import (
	"math"
	"math/rand/v2"
	"strconv"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/quant"
	"github.com/goqat/goqat/tensor"
)

func init() {
	op := backend.DynamicQuantizeLinear{}
	Register(Conformance{
		Op: op,
		Cases: func(r *rand.Rand) []Case {
			var cs []Case
			for _, n := range []int{0, 1, 7, 70001} {
				cs = append(cs, Case{Name: "n=" + strconv.Itoa(n), Op: op, In: []*tensor.Tensor{Normal(r, 3, n)}, Exact: true})
			}
			one := func(name string, v ...float32) Case {
				return Case{Name: name, Op: op, In: []*tensor.Tensor{tensor.FromF32(v, len(v))}, Exact: true}
			}
			bad := one("nan", 1, float32(math.NaN()))
			bad.Err = backend.ErrNaN
			infinite := one("infinity", 1, float32(math.Inf(1)))
			infinite.Err = quant.ErrRange
			// The first three are the examples of the ONNX specification.
			return append(cs, one("onnx", 0, 2, -3, -2.5, 1.34, 0.5), one("onnx_max_adjusted", -1, -2.1, -1.3, -2.5, -3.34, -4),
				one("onnx_min_adjusted", 1, 2.1, 1.3, 2.5, 3.34, 4, 1.5, 2.6, 3.9, 4, 3, 2.345), one("zeros", 0, 0), bad, infinite)
		},
		Ref: func(_ backend.Op, in, out []*tensor.Tensor) {
			var lo, hi float32
			for _, v := range in[0].F32() {
				lo, hi = min(lo, v), max(hi, v)
			}
			scale := (hi - lo) / 255
			if scale == 0 {
				scale = 1
			}
			zero := math.RoundToEven(math.Min(math.Max(float64(-lo/scale), 0), 255))
			Set(out[1], 0, float64(scale))
			Set(out[2], 0, zero)
			for i, v := range in[0].F32() {
				Set(out[0], i, math.Min(math.Max(math.RoundToEven(float64(v/scale))+zero, 0), 255))
			}
		},
	})
}
