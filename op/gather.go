package op

import (
	"fmt"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/graph"
	"github.com/goqat/goqat/tensor"
)

func init() {
	graph.Register(backend.Gather{}, graph.Def{
		Infer: func(op backend.Op, in []tensor.Spec) ([]tensor.Spec, error) {
			if err := want(in, 2, 2); err != nil {
				return nil, err
			}
			if err := wantBytes(in[0]); err != nil {
				return nil, err
			}
			s, err := gatherShape(op.(backend.Gather), in[0].Shape, in[1])
			if err != nil {
				return nil, err
			}
			return one(tensor.Spec{DType: in[0].DType, Shape: s}), nil
		},
		Grad: func(g *graph.Graph, n *graph.Node, d []graph.Value) []graph.Value {
			op := backend.GatherGrad{Gather: n.Op.(backend.Gather), Input: tensor.NewDims(n.In[0].Shape()...)}
			return []graph.Value{g.Apply(op, d[0], n.In[1]), {}}
		},
		ONNX:    "Gather",
		Integer: passCodes,
	})
	graph.Register(backend.GatherGrad{}, graph.Def{
		Infer: func(op backend.Op, in []tensor.Spec) ([]tensor.Spec, error) {
			if err := want(in, 2, 2); err != nil {
				return nil, err
			}
			if err := wantFloat(in[0]); err != nil {
				return nil, err
			}
			o := op.(backend.GatherGrad)
			s, err := gatherShape(o.Gather, o.Input.Slice(), in[1])
			if err != nil {
				return nil, err
			}
			if !s.Equal(in[0].Shape) {
				return nil, fmt.Errorf("op: gradient is %v, what was gathered %v", in[0].Shape, s)
			}
			return one(tensor.Spec{DType: in[0].DType, Shape: o.Input.Slice()}), nil
		},
		NoGrad: noSecond,
		NoONNX: backwardOnly,
	})
}

func gatherShape(op backend.Gather, data tensor.Shape, index tensor.Spec) (tensor.Shape, error) {
	if index.DType != tensor.I32 && index.DType != tensor.I64 {
		return nil, fmt.Errorf("op: indices are %v, want int32 or int64", index.DType)
	}
	axis, err := backend.Axis(op.Axis, len(data))
	if err != nil {
		return nil, fmt.Errorf("op: %w", err)
	}
	var s tensor.Shape
	s = append(s, data[:axis]...)
	s = append(s, index.Shape...)
	return append(s, data[axis+1:]...), nil
}
