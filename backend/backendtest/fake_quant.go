package backendtest

import (
	"fmt"
	"math"
	"math/rand/v2"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/quant"
	"github.com/goqat/goqat/tensor"
)

// quantized is the definition of a quantizer on one number: the integer
// before clamping. It is written without package quant.
func quantized(r quant.Rule, x, scale float32, zero int32) float64 {
	t := x / scale
	if r.Reciprocal {
		t = x * (1 / scale)
	}
	if r.Rounding == quant.HalfAway {
		return math.Round(float64(t)) + float64(zero)
	}
	return math.RoundToEven(float64(t)) + float64(zero)
}

// quantizerCase is one combination that the quantizers are tested with.
type quantizerCase struct {
	name   string
	rule   quant.Rule
	scheme quant.Scheme
	in     []*tensor.Tensor // x, scale, zero
}

// quantizerCases returns combinations of rules, schemes and shapes, with
// values on ties and on the ends of the code range among the others.
func quantizerCases(r *rand.Rand) []quantizerCase {
	uint8s, int4, uint2 := quant.UInt8(), quant.Weights(4), quant.Activations(2, false)
	last, middle, group := quant.Int8(), quant.UInt8(), quant.Weights(4)
	last.Grain = quant.Granularity{Kind: quant.PerChannel, Axis: -1}
	middle.Grain = quant.Granularity{Kind: quant.PerChannel, Axis: 1}
	group.Grain = quant.Granularity{Kind: quant.PerGroup, Group: 24}
	var cs []quantizerCase
	for _, k := range []struct {
		name   string
		scheme quant.Scheme
		shape  []int
	}{
		{"empty", quant.Int8(), []int{0, 3}},
		{"scalar", uint8s, nil},
		{"tail", quant.Int8(), []int{7}},
		{"tiles", quant.Int8(), []int{70001}},
		{"unsigned", uint8s, []int{3, 5, 7, 11}},
		{"2_bits", uint2, []int{513}},
		{"per_channel", int4, []int{9, 3, 3, 5}},
		{"per_channel_large", quant.Weights(8), []int{5, 5001}},
		{"per_last", last, []int{301, 13}},
		{"per_middle", middle, []int{3, 5, 211}},
		{"per_group", group, []int{5, 240}},
	} {
		for _, rule := range []quant.Rule{quant.ONNX, quant.PyTorch, quant.TFLite} {
			cs = append(cs, quantizerCase{k.name + "_" + rule.Name, rule, k.scheme, quantizerInputs(r, k.scheme, k.shape)})
		}
	}
	return cs
}

func quantizerInputs(r *rand.Rand, s quant.Scheme, shape []int) []*tensor.Tensor {
	x := Normal(r, 1, shape...)
	l, err := s.Layout(x.Shape())
	if err != nil {
		panic(err)
	}
	lo, hi := s.Range()
	scale, zero := tensor.New(tensor.Of(tensor.F32, l.Channels)), tensor.New(tensor.Of(tensor.I32, l.Channels))
	for c := range l.Channels {
		scale.F32()[c] = float32(math.Exp2(r.Float64()*4-6)) * 16 / float32(hi-lo)
		if c%3 == 0 {
			scale.F32()[c] = 0x1p-5 // Ties are exact.
		}
		if !s.Symmetric {
			zero.I32()[c] = lo + int32(r.IntN(int(hi-lo)+1))
		}
	}
	for i := range x.F32() {
		c := channel(l, i)
		s, z := scale.F32()[c], zero.I32()[c]
		switch i % 11 {
		case 2:
			x.F32()[i] = (float32(r.IntN(20)-10) + 0.5) * s
		case 5:
			x.F32()[i] = (float32(hi-z) + 0.5) * s
		case 7:
			x.F32()[i] = (float32(lo-z) - 0.5) * s
		case 9:
			x.F32()[i] = float32(math.Inf(i%2*2 - 1))
		}
	}
	return []*tensor.Tensor{x, scale, zero}
}

// channel returns the parameter of element i.
func channel(l quant.Layout, i int) int { return i / l.Inner % l.Channels }

// withNaN returns the inputs with one value that is not a number.
func withNaN(in []*tensor.Tensor) []*tensor.Tensor {
	x := in[0].Clone()
	x.F32()[x.Numel()/2] = float32(math.NaN())
	return append([]*tensor.Tensor{x}, in[1:]...)
}

func init() {
	Register(Conformance{
		Op: backend.FakeQuant{},
		Cases: func(r *rand.Rand) []Case {
			var cs []Case
			for _, q := range quantizerCases(r) {
				cs = append(cs, Case{Name: q.name, Op: backend.FakeQuant{Rule: q.rule, Scheme: q.scheme}, In: q.in, Exact: true})
			}
			q := quantizerInputs(r, quant.Int8(), []int{1001})
			cs = append(cs, Case{Name: "nan", Op: backend.FakeQuant{Scheme: quant.Int8()}, In: withNaN(q), Err: backend.ErrNaN})
			return withHalves(cs, 0)
		},
		Ref: func(op backend.Op, in, out []*tensor.Tensor) {
			o := op.(backend.FakeQuant)
			refQuantizer(o.Rule, o.Scheme, in, out[1], func(i int, q float64, scale float32, zero int32) {
				Set(out[0], i, float64(float32(int32(q)-zero)*scale))
			})
		},
	})
	Register(Conformance{
		Op: backend.STEGrad{},
		Cases: func(r *rand.Rand) []Case {
			var cs []Case
			for _, n := range []int{0, 1, 7, 8, 513, 140003} {
				mask := tensor.New(tensor.Of(tensor.B1, n))
				for i := range n {
					Set(mask, i, float64(r.IntN(2)))
				}
				dy := Normal(r, 1, n)
				if n > 3 {
					dy.F32()[3] = float32(math.Inf(1)) // A masked infinity must vanish.
				}
				cs = append(cs, Case{Name: fmt.Sprintf("n=%d", n), Op: backend.STEGrad{}, In: []*tensor.Tensor{dy, mask}, Exact: true})
			}
			return withHalves(cs, 0)
		},
		Ref: func(_ backend.Op, in, out []*tensor.Tensor) {
			for i := range in[0].Numel() {
				if in[1].At(i) == 1 {
					Set(out[0], i, in[0].At(i))
				}
			}
		},
	})
	Register(Conformance{
		Op: backend.LSQGrad{},
		Cases: func(r *rand.Rand) []Case {
			var cs []Case
			for _, q := range quantizerCases(r) {
				for i, v := range q.in[0].F32() {
					if math.IsInf(float64(v), 0) {
						q.in[0].F32()[i] = float32(math.Copysign(1e6, float64(v)))
					}
				}
				in := append([]*tensor.Tensor{Normal(r, 1, q.in[0].Shape()...)}, q.in...)
				cs = append(cs, Case{Name: q.name, Op: backend.LSQGrad{Rule: q.rule, Scheme: q.scheme}, In: in})
			}
			n := len(cs)
			cs = append(withHalves(cs, 0, 1), withHalves(cs, 1)[n:]...)
			return append(cs, withHalves(cs[:n:n], 0)[n:]...)
		},
		Ref: refLSQ,
	})
}

// refQuantizer fills the mask and calls store with each clamped integer.
func refQuantizer(r quant.Rule, s quant.Scheme, in []*tensor.Tensor, mask *tensor.Tensor, store func(i int, q float64, scale float32, zero int32)) {
	l, err := s.Layout(in[0].Shape())
	if err != nil {
		panic(err)
	}
	lo, hi := s.Range()
	for i, x := range realsOf(in[0]) {
		c := channel(l, i)
		scale, zero := in[1].F32()[c], in[2].I32()[c]
		q := quantized(r, x, scale, zero)
		if q >= float64(lo) && q <= float64(hi) {
			Set(mask, i, 1)
		}
		store(i, math.Min(math.Max(q, float64(lo)), float64(hi)), scale, zero)
	}
}

func refLSQ(op backend.Op, in, out []*tensor.Tensor) {
	o := op.(backend.LSQGrad)
	l, err := o.Scheme.Layout(in[1].Shape())
	if err != nil {
		panic(err)
	}
	lo, hi := o.Scheme.Range()
	sums := make([]float64, l.Channels)
	for i, x := range realsOf(in[1]) {
		c := channel(l, i)
		dy, scale, zero := in[0].At(i), in[2].F32()[c], in[3].I32()[c]
		switch q := quantized(o.Rule, x, scale, zero); {
		case q < float64(lo):
			sums[c] += dy * float64(lo-zero)
		case q > float64(hi):
			sums[c] += dy * float64(hi-zero)
		default:
			sums[c] += dy * (q - float64(zero) - float64(x)/float64(scale))
			Set(out[0], i, dy)
		}
	}
	for c, sum := range sums {
		if n := l.Outer * l.Inner; n > 0 {
			Set(out[1], c, sum/math.Sqrt(float64(n)*float64(hi)))
		}
	}
}
