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
	inputs := func(r *rand.Rand, n int) []*tensor.Tensor {
		lo, hi := Normal(r, 1, n), Normal(r, 1, n)
		for c, v := range hi.F32() {
			hi.F32()[c] = lo.F32()[c] + float32(math.Abs(float64(v)))
		}
		if n > 2 {
			lo.F32()[2], hi.F32()[2] = 0, 0
		}
		return []*tensor.Tensor{lo, hi, Normal(r, 1, n), Normal(r, 1, n), Normal(r, 1, n), tensor.New(tensor.Of(tensor.I32, n))}
	}
	Register(Conformance{
		Op: backend.AdoptRange{},
		Cases: func(r *rand.Rand) []Case {
			var cs []Case
			for _, s := range weightSchemes() {
				for _, n := range []int{1, 7, 70, 1031} {
					for _, rule := range []quant.Rule{quant.ONNX, quant.PyTorch, quant.TFLite} {
						cs = append(cs, Case{Name: fmt.Sprint(s, n, rule.Name), Op: backend.AdoptRange{Rule: rule, Scheme: s}, In: inputs(r, n), Exact: true})
					}
				}
			}
			op := backend.AdoptRange{Scheme: quant.Weights(8)}
			infinite, nan := inputs(r, 300), inputs(r, 300)
			infinite[1].F32()[270] = float32(math.Inf(1))
			nan[0].F32()[299], nan[1].F32()[299] = float32(math.NaN()), float32(math.NaN())
			nan[0].F32()[5] = float32(math.Inf(-1))
			return append(cs, Case{Name: "infinite", Op: op, In: infinite, Err: quant.ErrRange}, Case{Name: "nan before infinite", Op: op, In: nan, Err: backend.ErrNaN})
		},
		Ref: func(op backend.Op, in, out []*tensor.Tensor) {
			o := op.(backend.AdoptRange)
			for c := range in[0].Numel() {
				s, z, err := o.Rule.ScaleZero(o.Scheme, in[0].F32()[c], in[1].F32()[c])
				if err != nil {
					panic(err)
				}
				Set(out[0], c, in[0].At(c))
				Set(out[1], c, in[1].At(c))
				Set(out[2], c, float64(s))
				Set(out[3], c, float64(z))
			}
		},
	})
}
