package backendtest

import (
	"math"
	"math/rand/v2"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/quant"
	"github.com/goqat/goqat/tensor"
)

func init() {
	const bins = 512
	Register(Conformance{
		Op: backend.ScaleSearch{},
		Cases: func(r *rand.Rand) []Case {
			x := Normal(r, 1, 20001)
			x.F32()[77] = 40 // An outlier to be clipped.
			state := []*tensor.Tensor{tensor.New(tensor.Of(tensor.I64, bins)), tensor.FromF32([]float32{float32(math.Inf(1)), float32(math.Inf(-1))}, 2)}
			refHistogram([]*tensor.Tensor{x, state[0].Clone(), state[1].Clone()}, state)
			in := []*tensor.Tensor{state[0], state[1], tensor.FromF32([]float32{1}, 1), tensor.FromI32([]int32{0}, 1)}
			var cs []Case
			for _, s := range []quant.Scheme{quant.Int8(), quant.UInt8(), quant.Activations(4, true), {Bits: 8, Signed: true, Symmetric: true, Narrow: true}} {
				for m := backend.SearchPercentile; m <= backend.SearchEntropy; m++ {
					op := backend.ScaleSearch{Rule: quant.ONNX, Scheme: s, Method: m, Percentile: 99.9}
					cs = append(cs, Case{Name: m.String() + "_" + s.String(), Op: op, In: in, Exact: true})
				}
			}
			empty := []*tensor.Tensor{tensor.New(in[0].Spec()), tensor.FromF32([]float32{1, -1}, 2), in[2], in[3]}
			return append(cs, Case{Name: "unseen", Op: backend.ScaleSearch{Scheme: quant.Int8(), Method: backend.SearchMSE}, In: empty, Err: quant.ErrRange})
		},
		Ref: func(op backend.Op, in, out []*tensor.Tensor) {
			o := op.(backend.ScaleSearch)
			h := quant.NewRangeSearch(o.Rule, o.Scheme, in[0].Numel())
			var err error
			s, z := &out[0].F32()[0], &out[1].I32()[0]
			switch o.Method {
			case backend.SearchPercentile:
				*s, *z, err = h.Percentile(in[0].I64(), in[1].F32(), float64(o.Percentile))
			case backend.SearchMSE:
				*s, *z, err = h.MSE(in[0].I64(), in[1].F32())
			case backend.SearchEntropy:
				*s, *z, err = h.Entropy(in[0].I64(), in[1].F32())
			}
			if err != nil {
				panic(err)
			}
		},
	})
}
