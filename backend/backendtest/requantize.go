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
		Op: backend.Requantize{},
		Cases: func(r *rand.Rand) []Case {
			var cs []Case
			for _, rule := range []quant.Rule{quant.ONNX, quant.PyTorch, quant.TFLite, quant.TFLiteSingle} {
				for _, n := range []int{0, 1, 7, 520, 140003} {
					for i, s := range []quant.Scheme{quant.Int8(), quant.UInt8(), quant.Activations(4, true)} {
						from := [...]quant.Scheme{quant.UInt8(), quant.Int8(), quant.Int8()}[i]
						cs = append(cs, Case{Name: fmt.Sprintf("%s_%v_n=%d", rule.Name, s, n),
							Op: backend.Requantize{Rule: rule, In: from, Scheme: s}, In: codeTableInputs(r, from, s, n)})
					}
				}
			}
			return cs
		},
		Ref: func(op backend.Op, in, out []*tensor.Tensor) {
			o := op.(backend.Requantize)
			lo, hi := o.Scheme.Range()
			sx, zx, sy, zy := in[1].F32()[0], in[2].I32()[0], in[3].F32()[0], in[4].I32()[0]
			for i := range in[0].Numel() {
				var c int32
				var ok bool
				if x := int32(in[0].At(i)) - zx; o.Rule.Requant == quant.RequantFloat {
					q := quantized(o.Rule, float32(x)*sx, sy, zy)
					c, ok = int32(min(max(q, float64(lo)), float64(hi))), q >= float64(lo) && q <= float64(hi)
				} else {
					c, ok = o.Rule.Requantize(x, o.Rule.NewMultiplier(sx, 1, sy), zy, lo, hi)
				}
				Set(out[0], i, float64(c))
				if ok {
					Set(out[1], i, 1)
				}
			}
		},
	})
}

// codeTableInputs returns n codes and scales and zero points of both sides.
func codeTableInputs(r *rand.Rand, from, to quant.Scheme, n int) []*tensor.Tensor {
	xlo, xhi := from.Range()
	ylo, yhi := to.Range()
	within := func(lo, hi int32) *tensor.Tensor {
		return tensor.FromI32([]int32{lo + int32(r.IntN(int(hi-lo)+1))}, 1)
	}
	return []*tensor.Tensor{
		Codes(r, from.DType(), int(xlo), int(xhi), n),
		tensor.FromF32([]float32{0.01 + 0.05*r.Float32()}, 1), within(xlo, xhi),
		tensor.FromF32([]float32{(0.01 + 0.03*r.Float32()) * 255 / float32(yhi-ylo)}, 1), within(ylo, yhi),
	}
}
