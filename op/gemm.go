package op

import (
	"fmt"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/graph"
	"github.com/goqat/goqat/tensor"
)

func init() {
	graph.Register(backend.Gemm{}, graph.Def{
		Infer: func(_ backend.Op, in []tensor.Spec) ([]tensor.Spec, error) {
			if err := want(in, 2, 3); err != nil {
				return nil, err
			}
			if err := wantFloat(in...); err != nil {
				return nil, err
			}
			s, err := gemmShape(in[0].Shape, in[1].Shape)
			if err == nil {
				err = wantBias(at(in, 2), in[1].Shape[0])
			}
			if err != nil {
				return nil, err
			}
			return one(tensor.Spec{DType: in[0].DType, Shape: s}), nil
		},
		Grad: func(g *graph.Graph, n *graph.Node, d []graph.Value) []graph.Value {
			out := []graph.Value{
				g.Apply(backend.GemmGradInput{}, d[0], n.In[1]),
				g.Apply(backend.GemmGradWeight{}, d[0], n.In[0]),
				{},
			}
			if !value(n.In, 2).Absent() {
				out[2] = g.Apply(backend.BiasGrad{}, d[0])
			}
			return out[:len(n.In)]
		},
		ONNX:    "Gemm",
		Integer: gemmInteger,
	})
	graph.Register(backend.GemmGradInput{}, graph.Def{
		Infer: func(_ backend.Op, in []tensor.Spec) ([]tensor.Spec, error) {
			if err := want(in, 2, 3); err != nil {
				return nil, err
			}
			if err := wantOperand(in, false); err != nil {
				return nil, err
			}
			dy, w := in[0].Shape, in[1].Shape
			if len(dy) == 0 || len(w) != 2 || dy.Last() != w[0] {
				return nil, errShapes(in)
			}
			s := dy.Clone()
			s[len(s)-1] = w[1]
			return one(tensor.Spec{DType: in[0].DType, Shape: s}), nil
		},
		NoGrad: "gradients of gradients are not offered",
		NoONNX: "part of the backward pass",
	})
	graph.Register(backend.GemmGradWeight{}, graph.Def{
		Infer: func(_ backend.Op, in []tensor.Spec) ([]tensor.Spec, error) {
			if err := want(in, 2, 4); err != nil {
				return nil, err
			}
			if err := wantOperand(in, true); err != nil {
				return nil, err
			}
			dy, x := in[0].Shape, in[1].Shape
			if len(dy) == 0 || len(x) != len(dy) || !dy[:len(dy)-1].Equal(x[:len(x)-1]) {
				return nil, errShapes(in)
			}
			return one(tensor.Of(in[0].DType, dy.Last(), x.Last())), nil
		},
		NoGrad: "gradients of gradients are not offered",
		NoONNX: "part of the backward pass",
	})
}

// gemmShape returns the shape of x [..., in] times w [out, in] transposed.
func gemmShape(x, w tensor.Shape) (tensor.Shape, error) {
	if len(x) == 0 || len(w) != 2 || x.Last() != w[1] {
		return nil, fmt.Errorf("op: input %v and weight %v, want [..., in] and [out, in]", x, w)
	}
	s := x.Clone()
	s[len(s)-1] = w[0]
	return s, nil
}
