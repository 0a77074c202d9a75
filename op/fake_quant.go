package op

import (
	"fmt"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/graph"
	"github.com/goqat/goqat/quant"
	"github.com/goqat/goqat/tensor"
)

const (
	backwardOnly = "part of the backward pass"
	noSecond     = "gradients of gradients are not offered"
)

func init() {
	graph.Register(backend.FakeQuant{}, graph.Def{
		Infer: func(op backend.Op, in []tensor.Spec) ([]tensor.Spec, error) {
			if err := wantRealQuantizer(op.(backend.FakeQuant).Scheme, in, 3); err != nil {
				return nil, err
			}
			return []tensor.Spec{in[0], {DType: tensor.B1, Shape: in[0].Shape}}, nil
		},
		Grad: func(g *graph.Graph, n *graph.Node, d []graph.Value) []graph.Value {
			o := n.Op.(backend.FakeQuant)
			return quantizerGrad(g, n, d[0], o.Rule, o.Scheme, o.Learn)
		},
		// A scale learns only in training steps that may move ranges.
		Mode: func(g *graph.Graph, n *graph.Node, in []graph.Value, m graph.Mode) []graph.Value {
			o := n.Op.(backend.FakeQuant)
			o.Learn = o.Learn && m.Train && m.Ranges != graph.RangesFrozen
			return g.ApplyN(o, in...)
		},
		NoONNX: "written as QuantizeLinear and DequantizeLinear",
	})
	graph.Register(backend.STEGrad{}, graph.Def{
		Infer: func(_ backend.Op, in []tensor.Spec) ([]tensor.Spec, error) {
			if err := want(in, 2, 2); err != nil {
				return nil, err
			}
			if wantReal(in[0]) != nil || in[1].DType != tensor.B1 {
				return nil, fmt.Errorf("op: inputs are %v and %v, want float32 or bfloat16, and bit", in[0].DType, in[1].DType)
			}
			if !in[0].Shape.Equal(in[1].Shape) {
				return nil, errShapes(in)
			}
			return one(in[0]), nil
		},
		NoGrad: noSecond,
		NoONNX: backwardOnly,
	})
	graph.Register(backend.LSQGrad{}, graph.Def{
		Infer: func(op backend.Op, in []tensor.Spec) ([]tensor.Spec, error) {
			if err := want(in, 4, 4); err != nil {
				return nil, err
			}
			if err := wantRealQuantizer(op.(backend.LSQGrad).Scheme, in[1:], 3); err != nil {
				return nil, err
			}
			if err := wantReal(in[0]); err != nil {
				return nil, err
			}
			if !in[0].Shape.Equal(in[1].Shape) {
				return nil, errShapes(in)
			}
			return []tensor.Spec{in[0], in[2]}, nil
		},
		NoGrad: noSecond,
		NoONNX: backwardOnly,
	})
}

// quantizerGrad is the gradient of a quantizer n with the mask as output 1:
// straight through for the values, by LSQ for a learned scale, none for the
// zero point.
func quantizerGrad(g *graph.Graph, n *graph.Node, dy graph.Value, r quant.Rule, s quant.Scheme, learn bool) []graph.Value {
	if dy.Absent() {
		return nil
	}
	if !learn {
		return []graph.Value{g.Apply(backend.STEGrad{}, dy, n.Out[1])}
	}
	d := g.ApplyN(backend.LSQGrad{Rule: r, Scheme: s}, dy, n.In[0], n.In[1], n.In[2])
	if len(d) < 2 {
		return nil
	}
	return []graph.Value{d[0], d[1]}
}

// wantQuantizer returns an error unless in is a float32 tensor and a scale
// and a zero point that fit the scheme over it.
func wantQuantizer(s quant.Scheme, in []tensor.Spec, n int) error {
	if len(in) > 0 && in[0].DType == tensor.BF16 {
		return fmt.Errorf("op: input is %v, want float32", in[0].DType)
	}
	return wantRealQuantizer(s, in, n)
}

// wantRealQuantizer is wantQuantizer for operations that take bfloat16 too.
func wantRealQuantizer(s quant.Scheme, in []tensor.Spec, n int) error {
	if err := want(in, n, n); err != nil {
		return err
	}
	if err := wantReal(in[0]); err != nil {
		return err
	}
	if s.IsZero() {
		return fmt.Errorf("op: the scheme is float32, nothing to quantize")
	}
	if err := s.Validate(); err != nil {
		return fmt.Errorf("op: %w", err)
	}
	return wantScales(s, in[0].Shape, in[1], in[2])
}

// wantScales returns an error unless there is one scale and one zero point
// for each parameter of the scheme over a tensor of this shape. An absent
// zero point passes.
func wantScales(s quant.Scheme, shape tensor.Shape, scale, zero tensor.Spec) error {
	l, err := s.Layout(shape)
	if err != nil {
		return fmt.Errorf("op: %w", err)
	}
	if scale.DType != tensor.F32 || scale.Shape.Check() != nil || scale.Numel() != l.Channels {
		return fmt.Errorf("op: scale is %v, want %d float32 for %v of %v", scale, l.Channels, s.Grain, shape)
	}
	if zero.DType == tensor.Invalid {
		return nil
	}
	if zero.DType != tensor.I32 || !zero.Shape.Equal(scale.Shape) {
		return fmt.Errorf("op: zero point is %v, want int32%v as the scale", zero, scale.Shape)
	}
	return nil
}
