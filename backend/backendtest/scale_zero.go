package backendtest

import (
	"math"
	"math/rand/v2"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/quant"
	"github.com/goqat/goqat/tensor"
)

func init() {
	scheme := quant.UInt8()
	many := quant.Weights(4)
	Register(Conformance{
		Op: backend.ScaleZero{},
		Cases: func(r *rand.Rand) []Case {
			var cs []Case
			for _, rule := range []quant.Rule{quant.ONNX, quant.PyTorch, quant.PyTorchFused, quant.TFLite} {
				lo, hi := Normal(r, 1, 9001), Normal(r, 1, 9001)
				for i, v := range lo.F32() {
					lo.F32()[i], hi.F32()[i] = min(v, hi.F32()[i]), max(v, hi.F32()[i])
				}
				lo.F32()[5], hi.F32()[5] = 0, 0
				cs = append(cs, Case{Name: "channels_" + rule.Name, Op: backend.ScaleZero{Rule: rule, Scheme: many}, Exact: true,
					In: []*tensor.Tensor{lo, hi, tensor.New(lo.Spec()), tensor.New(tensor.Of(tensor.I32, 9001))}})
				cs = append(cs, Case{Name: "tensor_" + rule.Name, Op: backend.ScaleZero{Rule: rule, Scheme: scheme}, Exact: true, In: scaleZeroInputs(-1.25, 3)})
			}
			op := backend.ScaleZero{Scheme: scheme}
			return append(cs,
				Case{Name: "unseen", Op: op, In: scaleZeroInputs(math.Inf(1), math.Inf(-1)), Err: quant.ErrRange},
				Case{Name: "nan", Op: op, In: scaleZeroInputs(math.NaN(), 1), Err: quant.ErrNaN})
		},
		Ref: func(op backend.Op, in, out []*tensor.Tensor) {
			o := op.(backend.ScaleZero)
			for i := range in[0].Numel() {
				s, z, err := o.Rule.ScaleZero(o.Scheme, in[0].F32()[i], in[1].F32()[i])
				if err != nil {
					panic(err)
				}
				out[0].F32()[i], out[1].I32()[i] = s, z
			}
		},
	})
}

func scaleZeroInputs(lo, hi float64) []*tensor.Tensor {
	return []*tensor.Tensor{tensor.FromF32([]float32{float32(lo)}, 1), tensor.FromF32([]float32{float32(hi)}, 1),
		tensor.FromF32([]float32{7}, 1), tensor.FromI32([]int32{7}, 1)}
}
