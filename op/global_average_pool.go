package op

import (
	"fmt"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/graph"
	"github.com/goqat/goqat/tensor"
)

func init() {
	graph.Register(backend.GlobalAveragePool{}, graph.Def{
		Infer: func(op backend.Op, in []tensor.Spec) ([]tensor.Spec, error) {
			if err := want(in, 1, 1); err != nil {
				return nil, err
			}
			if err := wantFloat(in...); err != nil {
				return nil, err
			}
			s, err := globalAveragePoolShape(op.(backend.GlobalAveragePool), in[0].Shape)
			if err != nil {
				return nil, err
			}
			return one(tensor.Spec{DType: in[0].DType, Shape: s}), nil
		},
		Grad: func(g *graph.Graph, n *graph.Node, d []graph.Value) []graph.Value {
			return []graph.Value{g.Apply(backend.GlobalAveragePoolGrad{Input: tensor.NewDims(n.In[0].Shape()...)}, d[0])}
		},
		ONNX:    "GlobalAveragePool",
		Integer: globalAveragePoolInteger,
	})
	graph.Register(backend.GlobalAveragePoolGrad{}, graph.Def{
		Infer: func(op backend.Op, in []tensor.Spec) ([]tensor.Spec, error) {
			x, err := dims(op.(backend.GlobalAveragePoolGrad).Input)
			if err != nil {
				return nil, err
			}
			if err := want(in, 1, 1); err != nil {
				return nil, err
			}
			if err := wantFloat(in...); err != nil {
				return nil, err
			}
			flat, err := globalAveragePoolShape(backend.GlobalAveragePool{}, x)
			if err != nil {
				return nil, err
			}
			kept, err := globalAveragePoolShape(backend.GlobalAveragePool{KeepDims: true}, x)
			if err != nil {
				return nil, err
			}
			if dy := in[0].Shape; !dy.Equal(flat) && !dy.Equal(kept) {
				return nil, fmt.Errorf("op: gradient %v of a global pooling of %v, want %v or %v", dy, x, flat, kept)
			}
			return one(tensor.Spec{DType: in[0].DType, Shape: x}), nil
		},
		NoGrad: "gradients of gradients are not offered",
		NoONNX: "part of the backward pass",
	})
}

// globalAveragePoolShape returns the shape of the mean of x over all
// positions.
func globalAveragePoolShape(p backend.GlobalAveragePool, x tensor.Shape) (tensor.Shape, error) {
	if len(x) < 3 {
		return nil, fmt.Errorf("op: input %v, want [batch, ..., channels]", x)
	}
	if x[1:len(x)-1].Numel() == 0 {
		return nil, fmt.Errorf("op: the mean of no elements: input %v", x)
	}
	if !p.KeepDims {
		return tensor.Shape{x[0], x.Last()}, nil
	}
	s := x.Clone()
	for i := 1; i < len(s)-1; i++ {
		s[i] = 1
	}
	return s, nil
}
