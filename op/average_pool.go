package op

import (
	"fmt"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/graph"
	"github.com/goqat/goqat/tensor"
)

func init() {
	graph.Register(backend.AveragePool{}, graph.Def{
		Infer: func(op backend.Op, in []tensor.Spec) ([]tensor.Spec, error) {
			if err := want(in, 1, 1); err != nil {
				return nil, err
			}
			if err := wantFloat(in...); err != nil {
				return nil, err
			}
			s, err := averagePoolShape(op.(backend.AveragePool), in[0].Shape)
			if err != nil {
				return nil, err
			}
			return one(tensor.Spec{DType: in[0].DType, Shape: s}), nil
		},
		Grad: func(g *graph.Graph, n *graph.Node, d []graph.Value) []graph.Value {
			op := backend.AveragePoolGrad{AveragePool: n.Op.(backend.AveragePool), Input: tensor.NewDims(n.In[0].Shape()...)}
			return []graph.Value{g.Apply(op, d[0])}
		},
		ONNX:    "AveragePool",
		Integer: averagePoolInteger,
	})
	graph.Register(backend.AveragePoolGrad{}, graph.Def{
		Infer: func(op backend.Op, in []tensor.Spec) ([]tensor.Spec, error) {
			o := op.(backend.AveragePoolGrad)
			x, err := dims(o.Input)
			if err != nil {
				return nil, err
			}
			if err := want(in, 1, 1); err != nil {
				return nil, err
			}
			if err := wantFloat(in...); err != nil {
				return nil, err
			}
			y, err := averagePoolShape(o.AveragePool, x)
			if err != nil {
				return nil, err
			}
			if !y.Equal(in[0].Shape) {
				return nil, fmt.Errorf("op: gradient %v of a pooling of %v, want %v", in[0].Shape, x, y)
			}
			return one(tensor.Spec{DType: in[0].DType, Shape: x}), nil
		},
		NoGrad: "gradients of gradients are not offered",
		NoONNX: "part of the backward pass",
	})
}

// averagePoolShape returns the shape of the mean pooling of x.
func averagePoolShape(p backend.AveragePool, x tensor.Shape) (tensor.Shape, error) {
	return poolShape(x, p.Window, p.Kernel, func(w backend.Window, in, kernel [2]int) ([2]int, error) {
		return backend.AveragePool{Window: w, Kernel: kernel, Ceil: p.Ceil}.Size(in)
	})
}
