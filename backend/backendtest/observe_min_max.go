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
	Register(Conformance{Op: backend.ObserveMinMax{}, Cases: minMaxCases, Ref: func(op backend.Op, in, out []*tensor.Tensor) {
		o := op.(backend.ObserveMinMax)
		l, err := quant.Scheme{Grain: o.Grain}.Layout(in[0].Shape())
		if err != nil {
			panic(err)
		}
		for c := range l.Channels {
			lo, hi := math.Inf(1), math.Inf(-1)
			for i := range in[0].Numel() {
				if channel(l, i) == c {
					lo, hi = math.Min(lo, in[0].At(i)), math.Max(hi, in[0].At(i))
				}
			}
			before := [2]float32{in[1].F32()[c], in[2].F32()[c]}
			switch {
			case lo > hi:
			case before[0] > before[1] || o.Momentum == 1:
				Set(out[0], c, lo)
				Set(out[1], c, hi)
			case o.Momentum == 0:
				Set(out[0], c, math.Min(lo, float64(before[0])))
				Set(out[1], c, math.Max(hi, float64(before[1])))
			default:
				out[0].F32()[c] = before[0] + float32(o.Momentum*(float32(lo)-before[0]))
				out[1].F32()[c] = before[1] + float32(o.Momentum*(float32(hi)-before[1]))
			}
		}
	}})
}

func minMaxCases(r *rand.Rand) []Case {
	first, last := quant.Granularity{Kind: quant.PerChannel}, quant.Granularity{Kind: quant.PerChannel, Axis: -1}
	middle, group := quant.Granularity{Kind: quant.PerChannel, Axis: 1}, quant.Granularity{Kind: quant.PerGroup, Group: 8}
	var cs []Case
	for _, k := range []struct {
		grain quant.Granularity
		shape []int
	}{
		{quant.Granularity{}, nil},
		{quant.Granularity{}, []int{0}},
		{quant.Granularity{}, []int{200003}},
		{quant.Granularity{}, []int{3, 5, 7}},
		{first, []int{5, 3, 3, 7}},
		{first, []int{3, 70001}},
		{last, []int{30001, 3}},
		{last, []int{0, 3}},
		{last, []int{7, 64}},
		{middle, []int{2, 3, 5}},
		{middle, []int{3, 4, 100}},
		{group, []int{6, 64}},
	} {
		for _, momentum := range []float32{0, 1, 0.01} {
			for _, seen := range []bool{false, true} {
				x := Normal(r, 1, k.shape...)
				if len(k.shape) > 2 {
					for i := range x.F32() {
						x.F32()[i] += 5 // Zero must not creep in.
					}
				}
				n := quant.Scheme{Grain: k.grain}.Params(x.Shape())
				lo, hi := tensor.New(tensor.Of(tensor.F32, n)), tensor.New(tensor.Of(tensor.F32, n))
				for c := range n {
					lo.F32()[c], hi.F32()[c] = float32(math.Inf(1)), float32(math.Inf(-1))
					if seen {
						lo.F32()[c], hi.F32()[c] = float32(r.NormFloat64()-3), float32(r.NormFloat64()+3)
					}
				}
				cs = append(cs, Case{
					Name:  fmt.Sprintf("%v_%v_momentum=%v_seen=%v", k.grain, k.shape, momentum, seen),
					Op:    backend.ObserveMinMax{Grain: k.grain, Momentum: momentum},
					In:    []*tensor.Tensor{x, lo, hi},
					Exact: true,
				})
			}
		}
	}
	state := func() *tensor.Tensor { return tensor.FromF32([]float32{0, 0, 0}, 3) }
	nan, inf := Normal(r, 1, 1001, 3), Normal(r, 1, 1001, 3)
	nan.F32()[3002] = float32(math.NaN())
	inf.F32()[1] = float32(math.Inf(-1))
	op := backend.ObserveMinMax{Grain: last}
	return withHalves(append(cs,
		Case{Name: "nan", Op: op, In: []*tensor.Tensor{nan, state(), state()}, Err: backend.ErrNaN},
		Case{Name: "infinity", Op: op, In: []*tensor.Tensor{inf, state(), state()}, Err: quant.ErrRange}), 0)
}
