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
		Op: backend.WeightCodes{},
		Cases: func(r *rand.Rand) []Case {
			var cs []Case
			for _, s := range weightSchemes() {
				for _, shape := range [][]int{{2, 1}, {5, 7}, {9, 3, 3, 5}, {16, 240}, {70, 648}, {3, 20001}, {2, 4096}, {9, 48}} {
					if s.Grain.Kind == quant.PerGroup && shape[len(shape)-1]%24 != 0 {
						continue
					}
					for _, rule := range []quant.Rule{quant.ONNX, quant.PyTorch, quant.TFLite} {
						cs = append(cs, Case{Name: fmt.Sprint(s, shape, rule.Name), Op: backend.WeightCodes{Rule: rule, Scheme: s}, In: []*tensor.Tensor{Normal(r, 1, shape...)}, Exact: true})
					}
				}
			}
			return append(cs, Case{Name: "bad", Op: backend.WeightCodes{Scheme: quant.Weights(8)}, In: []*tensor.Tensor{withoutRanges(Normal(r, 1, 9, 33))}, Exact: true})
		},
		Ref: func(op backend.Op, in, out []*tensor.Tensor) {
			o := op.(backend.WeightCodes)
			refWeightCodes(o.Rule, o.Scheme, in[0], out)
		},
	})
}

// weightSchemes are schemes whose channels lie one after another.
func weightSchemes() []quant.Scheme {
	affine, group := quant.UInt8(), quant.Weights(4)
	affine.Grain = quant.Granularity{Kind: quant.PerChannel}
	group.Grain = quant.Granularity{Kind: quant.PerGroup, Group: 24}
	return []quant.Scheme{quant.Weights(8), quant.Weights(4), affine, group}
}

// withoutRanges spoils rows 1, 4 and 6 of x: a NaN, an infinity, both.
func withoutRanges(x *tensor.Tensor) *tensor.Tensor {
	row := x.Numel() / x.Shape()[0]
	x.F32()[row+row/2] = float32(math.NaN())
	x.F32()[4*row] = float32(math.Inf(-1))
	x.F32()[6*row] = float32(math.NaN())
	x.F32()[7*row-1] = float32(math.Inf(1))
	return x
}

// refWeightCodes sets out to the codes, least and greatest of x.
func refWeightCodes(rule quant.Rule, s quant.Scheme, x *tensor.Tensor, out []*tensor.Tensor) {
	l, err := s.Layout(x.Shape())
	if err != nil {
		panic(err)
	}
	n := tensor.Of(tensor.F32, l.Channels)
	scale, zero, none := tensor.New(n), tensor.New(tensor.Of(tensor.I32, l.Channels)), make([]bool, l.Channels)
	for c := range l.Channels {
		lo, hi, nan := math.Inf(1), math.Inf(-1), false
		for i := c * l.Inner; i < (c+1)*l.Inner; i++ {
			lo, hi = math.Min(lo, x.At(i)), math.Max(hi, x.At(i))
			nan = nan || math.IsNaN(x.At(i))
		}
		if nan {
			lo, hi = math.NaN(), math.NaN()
		}
		Set(out[1], c, lo)
		Set(out[2], c, hi)
		sc, z, err := rule.ScaleZero(s, float32(lo), float32(hi))
		if none[c] = err != nil; none[c] {
			sc = 1
		}
		scale.F32()[c], zero.I32()[c] = sc, z
	}
	lo, hi := s.Range()
	mask := tensor.New(tensor.Spec{DType: tensor.B1, Shape: x.Shape()})
	refQuantizer(rule, s, []*tensor.Tensor{x, scale, zero}, mask, func(i int, q float64, _ float32, _ int32) {
		if none[i/l.Inner] {
			q = 0
		}
		Set(out[0], i, math.Min(math.Max(q, float64(lo)), float64(hi)))
	})
}
