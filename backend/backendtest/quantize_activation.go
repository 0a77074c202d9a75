package backendtest

import (
	"fmt"
	"math"
	"math/rand/v2"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/quant"
	"github.com/goqat/goqat/tensor"
)

// activationCase is an activation with its inputs: x, scale, zero, and affine
// and gamma or nothing.
type activationCase struct {
	name string
	op   backend.QuantizeActivation
	in   []*tensor.Tensor
}

func activationCases(r *rand.Rand) []activationCase {
	inf := float32(math.Inf(1))
	var cs []activationCase
	for i, s := range []tensor.Shape{{1, 1}, {7, 5}, {3, 9, 16}, {40, 3}, {2, 9, 7, 13}, {2600, 16}, {37, 300}, {5000, 1}, {0, 4}} {
		for k, rule := range []quant.Rule{quant.ONNX, quant.PyTorch, quant.TFLite} {
			for _, normal := range []bool{true, false} {
				op := backend.QuantizeActivation{Rule: rule, Scheme: quant.UInt8(), Lo: -inf, Hi: inf}
				switch (i + k) % 4 {
				case 0:
					op.Lo = 0
				case 1:
					op.Lo, op.Hi = 0, 2.5
				case 2:
					op.Lo, op.Hi, op.Scheme = -1, 1, quant.Int8()
				}
				in := quantizerInputs(r, op.Scheme, s)
				for i, v := range in[0].F32() {
					if math.IsInf(float64(v), 0) { // A factor of zero would make it a NaN.
						in[0].F32()[i] = float32(math.Copysign(1e6, float64(v)))
					}
				}
				if normal {
					c := s.Last()
					gamma, affine := Normal(r, 1, c), tensor.New(tensor.Of(tensor.F32, 4, c))
					for j := range c {
						mean, inv := r.NormFloat64(), 0.5+r.Float64()
						a := gamma.At(j) * inv
						for k, v := range []float64{a, 0.3 - mean*a, mean, inv} {
							Set(affine, k*c+j, v)
						}
					}
					in = append(in, affine, gamma)
				}
				cs = append(cs, activationCase{fmt.Sprint(s, rule.Name, normal), op, in})
			}
		}
	}
	return cs
}

// activationOf returns v of element i before and after the clamp.
func activationOf(lo, hi float32, x, affine *tensor.Tensor, i int) (v, clamped float32) {
	v = x.F32()[i]
	if affine != nil {
		c := affine.Numel() / 4
		v = float32(v*affine.F32()[i%c]) + affine.F32()[c+i%c]
	}
	return v, min(max(v, lo), hi)
}

func init() {
	Register(Conformance{
		Op: backend.QuantizeActivation{},
		Cases: func(r *rand.Rand) []Case {
			var cs []Case
			for _, a := range activationCases(r) {
				in := a.in
				if len(in) > 3 {
					in = append(in, Normal(r, 1, in[4].Numel()))
				}
				cs = append(cs, Case{Name: a.name, Op: a.op, In: in, Exact: true})
			}
			q := quantizerInputs(r, quant.Int8(), []int{1001})
			op := backend.QuantizeActivation{Scheme: quant.Int8(), Hi: 6}
			return append(cs, Case{Name: "nan", Op: op, In: withNaN(q), Err: backend.ErrNaN})
		},
		Ref: func(op backend.Op, in, out []*tensor.Tensor) {
			o := op.(backend.QuantizeActivation)
			lo, hi := o.Scheme.Range()
			for i := range in[0].Numel() {
				v, x := activationOf(o.Lo, o.Hi, in[0], given(in, 3), i)
				q := quantized(o.Rule, x, in[1].F32()[0], in[2].I32()[0])
				if q >= float64(lo) && q <= float64(hi) && v > o.Lo && v < o.Hi {
					Set(out[1], i, 1)
				}
				Set(out[0], i, math.Min(math.Max(q, float64(lo)), float64(hi)))
			}
			if len(out) > 2 {
				registered["clamp_range"].Ref(backend.ClampRange{Lo: o.Lo, Hi: o.Hi}, in[:1], out[2:])
			}
		},
	})
	Register(Conformance{
		Op: backend.QuantizeActivationGrad{},
		Cases: func(r *rand.Rand) []Case {
			var cs []Case
			for _, a := range activationCases(r) {
				mask := tensor.New(tensor.Spec{DType: tensor.B1, Shape: a.in[0].Shape()})
				for i := range mask.Numel() {
					Set(mask, i, float64(r.IntN(2)))
				}
				in := append([]*tensor.Tensor{Normal(r, 1, a.in[0].Shape()...), mask}, a.in...)
				for _, learn := range []bool{false, true} {
					op := backend.QuantizeActivationGrad(a.op)
					op.Learn = learn
					cs = append(cs, Case{Name: fmt.Sprint(a.name, learn), Op: op, In: in})
				}
			}
			return cs
		},
		Ref: refQuantizeActivationGrad,
	})
}

func given(in []*tensor.Tensor, i int) *tensor.Tensor {
	if i < len(in) {
		return in[i]
	}
	return nil
}

func refQuantizeActivationGrad(op backend.Op, in, out []*tensor.Tensor) {
	o := op.(backend.QuantizeActivationGrad)
	dy, mask, x, affine := in[0], in[1], in[2], given(in, 5)
	masked := dy.Clone()
	for i := range x.Numel() {
		Set(masked, i, dy.At(i)*mask.At(i))
	}
	if o.Learn {
		v := x.Clone()
		for i := range x.Numel() {
			_, v.F32()[i] = activationOf(o.Lo, o.Hi, x, affine, i)
		}
		refLSQ(backend.LSQGrad{Rule: o.Rule, Scheme: o.Scheme}, []*tensor.Tensor{dy, v, in[3], in[4]}, []*tensor.Tensor{x.Clone(), out[1]})
	}
	if affine == nil {
		copy(out[0].F32(), masked.F32())
		return
	}
	c := affine.Numel() / 4
	column := func(row int) *tensor.Tensor { return tensor.FromF32(affine.F32()[row*c:(row+1)*c], c) }
	batchNormGradReference([]*tensor.Tensor{masked, x, in[6], column(2)}, []*tensor.Tensor{out[0], out[2], out[3]},
		func(j int) float64 { return affine.At(3*c + j) }, true)
}
