package op

import (
	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/graph"
	"github.com/goqat/goqat/tensor"
)

func init() {
	graph.Register(backend.Relu{}, graph.Def{
		Infer: inferUnary,
		Grad: func(g *graph.Graph, n *graph.Node, d []graph.Value) []graph.Value {
			return []graph.Value{g.Apply(backend.ReluGrad{}, d[0], n.Out[0])}
		},
		Recompute: true,
		ONNX:      "Relu",
	})
	graph.Register(backend.ReluGrad{}, graph.Def{
		Infer:  inferSameTwo,
		NoGrad: "gradients of gradients are not offered",
		NoONNX: "part of the backward pass",
	})
}

// inferUnary is the inference of elementwise float operations.
func inferUnary(_ backend.Op, in []tensor.Spec) ([]tensor.Spec, error) {
	if err := want(in, 1, 1); err != nil {
		return nil, err
	}
	if err := wantFloat(in...); err != nil {
		return nil, err
	}
	return one(in[0]), nil
}

// inferSameTwo is the inference of float operations on two tensors of one
// shape, such as gradients of elementwise operations.
func inferSameTwo(_ backend.Op, in []tensor.Spec) ([]tensor.Spec, error) {
	if err := want(in, 2, 2); err != nil {
		return nil, err
	}
	if err := wantFloat(in...); err != nil {
		return nil, err
	}
	if !in[0].Shape.Equal(in[1].Shape) {
		return nil, errShapes(in)
	}
	return one(in[0]), nil
}
