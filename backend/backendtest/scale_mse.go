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
		Op: backend.ScaleMSE{},
		Cases: func(r *rand.Rand) []Case {
			group, last := quant.Weights(4), quant.Int8()
			group.Grain = quant.Granularity{Kind: quant.PerGroup, Group: 16}
			last.Grain = quant.Granularity{Kind: quant.PerChannel, Axis: -1}
			var cs []Case
			for _, k := range []struct {
				scheme quant.Scheme
				shape  []int
			}{
				{quant.Weights(2), []int{5, 3, 3, 7}},
				{quant.Weights(4), []int{3, 1031}},
				{quant.Weights(4), []int{3, 0}},
				{group, []int{3, 48}},
				{last, []int{33, 5}},
				{quant.UInt8(), []int{70003}},
			} {
				x := Normal(r, 1, k.shape...)
				n := k.scheme.Params(x.Shape())
				cs = append(cs, Case{Name: fmt.Sprintf("%v_%v", k.scheme, k.shape), Op: backend.ScaleMSE{Rule: quant.ONNX, Scheme: k.scheme}, Exact: true,
					In: []*tensor.Tensor{x, tensor.New(tensor.Of(tensor.F32, n)), tensor.New(tensor.Of(tensor.I32, n))}})
			}
			bad := []*tensor.Tensor{Normal(r, 1, 3, 4), tensor.New(tensor.Of(tensor.F32, 3)), tensor.New(tensor.Of(tensor.I32, 3))}
			return append(cs, Case{Name: "nan", Op: backend.ScaleMSE{Scheme: quant.Weights(4)}, In: withNaN(bad), Err: backend.ErrNaN})
		},
		Ref: refScaleMSE,
	})
}

// refScaleMSE gathers each channel and searches it alone.
func refScaleMSE(op backend.Op, in, out []*tensor.Tensor) {
	o := op.(backend.ScaleMSE)
	l, err := o.Scheme.Layout(in[0].Shape())
	if err != nil {
		panic(err)
	}
	qlo, qhi := o.Scheme.Range()
	for c := range l.Channels {
		var v []float32
		lo, hi := float32(math.Inf(1)), float32(math.Inf(-1))
		for i, x := range in[0].F32() {
			if channel(l, i) == c {
				v, lo, hi = append(v, x), min(lo, x), max(hi, x)
			}
		}
		if len(v) == 0 {
			lo, hi = 0, 0
		}
		s, z, err := quant.SearchShrink(o.Rule, o.Scheme, lo, hi, func(s float32, z int32, _ float64) (sum float64) {
			for _, x := range v {
				q := math.Min(math.Max(quantized(o.Rule, x, s, z), float64(qlo)), float64(qhi))
				d := float64(x) - float64(float32(q-float64(z))*s)
				sum += float64(d * d)
			}
			return sum
		})
		if err != nil {
			panic(err)
		}
		out[0].F32()[c], out[1].I32()[c] = s, z
	}
}
