package backendtest

import (
	"math/rand/v2"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/tensor"
)

func init() {
	Register(Conformance{
		Op: backend.ConvDequant{},
		Cases: func(r *rand.Rand) []Case {
			var cs []Case
			for i, g := range convGeometries {
				x, w := convCodes(r, g, i%2 == 1, false)
				in := []*tensor.Tensor{x, Scales(r, 1), Zeros(r, x.DType(), 1), w, Scales(r, 1)}
				if i%3 > 0 {
					in[4] = Scales(r, w.Shape()[0])
				}
				if i%4 > 0 {
					in = append(in, Normal(r, 1, w.Shape()[0]))
				}
				cs = append(cs, collectCases(g.name, backend.ConvDequant{Conv: g.conv}, in)...)
				if i%5 == 0 {
					cs = append(cs, unusualMoments(r, g.name, backend.ConvDequant{Conv: g.conv}, in)...)
				}
			}
			return withHalfResults(cs, func(o backend.Op) backend.Op {
				op := o.(backend.ConvDequant)
				if op.Collect != backend.CollectNothing {
					return nil
				}
				op.Result = tensor.BF16
				return op
			})
		},
		Ref: func(op backend.Op, in, out []*tensor.Tensor) {
			sums := convSums(op.(backend.ConvDequant).Conv, in[0], in[3], in[2], nil, out[0].Shape())
			refDequant(sums, in[1], in[4], input(in, 5), out[0])
			refCollect(op.(backend.ConvDequant).Collect, sums, in[1], in[4], input(in, 5), out)
		},
	})
}

// Scales returns n random scales.
func Scales(r *rand.Rand, n int) *tensor.Tensor {
	t := tensor.New(tensor.Of(tensor.F32, n))
	for i := range t.F32() {
		t.F32()[i] = float32(0.001 + 0.05*r.Float64())
	}
	return t
}

// scale returns the scale of channel c.
func scale(t *tensor.Tensor, c int) float32 { return t.F32()[min(c, t.Numel()-1)] }

// refDequant is float32(sum) * (sx * sw[c]) + bias[c], each step a float32.
func refDequant(sums []int64, sx, sw, bias, out *tensor.Tensor) {
	for i, s := range sums {
		c := i % out.Shape().Last()
		factor := sx.F32()[0] * scale(sw, c)
		y := float32(float32(int32(s)) * factor)
		if bias != nil {
			y += bias.F32()[c]
		}
		Set(out, i, float64(y))
	}
}
