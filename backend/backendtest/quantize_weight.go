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
	inputs := func(r *rand.Rand, s quant.Scheme, shape []int) []*tensor.Tensor {
		x := Normal(r, 1, shape...)
		n := s.Params(x.Shape())
		lo, hi, scale := Normal(r, 1, n), tensor.New(tensor.Of(tensor.F32, n)), Normal(r, 1, n)
		for c := range n {
			hi.F32()[c] = lo.F32()[c] + 2
			if c%3 == 1 { // Nothing seen yet.
				lo.F32()[c], hi.F32()[c] = float32(math.Inf(1)), float32(math.Inf(-1))
			}
		}
		return []*tensor.Tensor{x, lo, hi, scale, tensor.New(tensor.Of(tensor.I32, n))}
	}
	Register(Conformance{
		Op: backend.QuantizeWeight{},
		Cases: func(r *rand.Rand) []Case {
			var cs []Case
			affine, group := quant.UInt8(), quant.Weights(4)
			affine.Grain = quant.Granularity{Kind: quant.PerChannel}
			group.Grain = quant.Granularity{Kind: quant.PerGroup, Group: 24}
			for _, s := range []quant.Scheme{quant.Weights(8), quant.Weights(4), affine, group} {
				for _, shape := range [][]int{{2, 1}, {5, 7}, {9, 3, 3, 5}, {16, 240}, {70, 648}, {3, 20001}} {
					if s.Grain.Kind == quant.PerGroup && shape[len(shape)-1]%24 != 0 {
						continue
					}
					for i, rule := range []quant.Rule{quant.ONNX, quant.PyTorch, quant.TFLite} {
						op := backend.QuantizeWeight{Rule: rule, Scheme: s, Momentum: []float32{1, 0, 0.25}[i]}
						cs = append(cs, Case{Name: fmt.Sprint(s, shape, rule.Name), Op: op, In: inputs(r, s, shape), Exact: true})
					}
				}
			}
			bad := inputs(r, quant.Weights(8), []int{9, 33})
			cs = append(cs, Case{Name: "nan", Op: backend.QuantizeWeight{Scheme: quant.Weights(8), Momentum: 1}, In: withNaN(bad), Err: backend.ErrNaN})
			bad = inputs(r, quant.Weights(8), []int{9, 33})
			bad[0].F32()[77] = float32(math.Inf(-1))
			return append(cs, Case{Name: "infinite", Op: backend.QuantizeWeight{Scheme: quant.Weights(8), Momentum: 1}, In: bad, Err: quant.ErrRange})
		},
		Ref: func(op backend.Op, in, out []*tensor.Tensor) {
			o := op.(backend.QuantizeWeight)
			observe := []*tensor.Tensor{in[0], in[1], in[2]}
			// The states are inputs and outputs: out has what they were.
			registered["observe_min_max"].Ref(backend.ObserveMinMax{Grain: o.Scheme.Grain, Momentum: o.Momentum}, observe, out[2:4])
			registered["scale_zero"].Ref(backend.ScaleZero{Rule: o.Rule, Scheme: o.Scheme}, []*tensor.Tensor{out[2], out[3], in[3], in[4]}, out[4:6])
			lo, hi := o.Scheme.Range()
			refQuantizer(o.Rule, o.Scheme, []*tensor.Tensor{in[0], out[4], out[5]}, out[1], func(i int, q float64, _ float32, _ int32) {
				Set(out[0], i, math.Min(math.Max(q, float64(lo)), float64(hi)))
			})
		},
	})
}
