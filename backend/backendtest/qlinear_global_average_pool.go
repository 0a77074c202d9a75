package backendtest

import (
	"fmt"
	"math/rand/v2"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/quant"
	"github.com/goqat/goqat/tensor"
)

func init() {
	Register(Conformance{
		Op: backend.QLinearGlobalAveragePool{},
		Cases: func(r *rand.Rand) []Case {
			var cs []Case
			for i, dims := range [][]int{{2, 7, 7, 5}, {3, 1, 1, 64}, {1, 13, 4, 129}, {5, 9, 3}, {0, 2, 2, 4}, {2, 2, 2, 0}} {
				for _, keep := range []bool{false, true} {
					op := backend.QLinearGlobalAveragePool{GlobalAveragePool: backend.GlobalAveragePool{KeepDims: keep}, Rule: quant.ONNX, Scheme: quant.Int8()}
					x := Codes(r, tensor.I8, -128, 127, dims...)
					if i%2 == 1 {
						op.Scheme, op.Rule = quant.UInt8(), quant.TFLite
						x = Codes(r, tensor.U8, 0, 255, dims...)
					}
					cs = append(cs, Case{Name: fmt.Sprint(dims, keep), Op: op, In: []*tensor.Tensor{x, Zeros(r, x.DType(), 1)}})
				}
			}
			for i, dims := range [][]int{{2, 7, 7, 5}, {3, 1, 1, 64}, {5, 9, 3}, {2, 0, 4}} {
				op := backend.QLinearGlobalAveragePool{Rule: quant.ONNX, Scheme: quant.Activations(4, i%2 == 0)}
				in := []*tensor.Tensor{Codes(r, tensor.U8, 0, 255, dims...), tensor.FromI32([]int32{100}, 1), tensor.FromF32([]float32{0.03}, 1),
					tensor.FromF32([]float32{0.011}, 1), tensor.FromI32([]int32{3}, 1)}
				if dims[1] == 0 {
					continue
				}
				cs = append(cs, Case{Name: fmt.Sprint("own grid ", dims), Op: op, In: in})
			}
			return cs
		},
		Ref: func(op backend.Op, in, out []*tensor.Tensor) {
			o := op.(backend.QLinearGlobalAveragePool)
			s := in[0].Shape()
			c := s.Last()
			area := s[1 : len(s)-1].Numel()
			lo, hi := o.Scheme.Range()
			for i := range out[0].Numel() {
				if len(in) > 2 {
					sum := -area * int(in[1].I32()[0])
					for a := range area {
						sum += int(in[0].At((i/c*area+a)*c + i%c))
					}
					m := o.Rule.NewMultiplier(in[2].F32()[0], 1/float32(area), in[3].F32()[0])
					v, ok := o.Rule.Requantize(int32(sum), m, in[4].I32()[0], lo, hi)
					Set(out[0], i, float64(v))
					if ok {
						Set(out[1], i, 1)
					}
					continue
				}
				var sum int32
				for a := range area {
					sum += int32(in[0].At((i/c*area+a)*c + i%c))
				}
				v, _ := o.Rule.AvgPoolCode(sum, area, in[1].I32()[0], lo, hi)
				Set(out[0], i, float64(v))
			}
		},
	})
}
