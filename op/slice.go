package op

import (
	"fmt"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/graph"
	"github.com/goqat/goqat/tensor"
)

func init() {
	graph.Register(backend.Slice{}, graph.Def{
		Infer: func(op backend.Op, in []tensor.Spec) ([]tensor.Spec, error) {
			if err := want(in, 1, 1); err != nil {
				return nil, err
			}
			if err := wantBytes(in[0]); err != nil {
				return nil, err
			}
			s, err := sliceShape(op.(backend.Slice), in[0].Shape)
			if err != nil {
				return nil, err
			}
			return one(tensor.Spec{DType: in[0].DType, Shape: s}), nil
		},
		Grad: func(g *graph.Graph, n *graph.Node, d []graph.Value) []graph.Value {
			op := backend.SliceGrad{Slice: n.Op.(backend.Slice), Input: tensor.NewDims(n.In[0].Shape()...)}
			return []graph.Value{g.Apply(op, d[0])}
		},
		ONNX:    "Slice",
		Integer: passCodes,
	})
	graph.Register(backend.SliceGrad{}, graph.Def{
		Infer: func(op backend.Op, in []tensor.Spec) ([]tensor.Spec, error) {
			if err := want(in, 1, 1); err != nil {
				return nil, err
			}
			if err := wantBytes(in[0]); err != nil {
				return nil, err
			}
			o := op.(backend.SliceGrad)
			s, err := sliceShape(o.Slice, o.Input.Slice())
			if err != nil {
				return nil, err
			}
			if !s.Equal(in[0].Shape) {
				return nil, fmt.Errorf("op: gradient is %v, the slice %v", in[0].Shape, s)
			}
			return one(tensor.Spec{DType: in[0].DType, Shape: o.Input.Slice()}), nil
		},
		NoGrad: noSecond,
		NoONNX: backwardOnly,
	})
}

func sliceShape(op backend.Slice, in tensor.Shape) (tensor.Shape, error) {
	rs, err := op.Ranges(in)
	if err != nil {
		return nil, fmt.Errorf("op: %w", err)
	}
	s := make(tensor.Shape, len(rs))
	for i, r := range rs {
		s[i] = r.Count
	}
	return s, nil
}
