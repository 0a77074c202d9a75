package op

import (
	"fmt"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/graph"
	"github.com/goqat/goqat/quant"
	"github.com/goqat/goqat/tensor"
)

func init() {
	graph.Register(backend.QLinearAdd{}, graph.Def{
		Infer: func(op backend.Op, in []tensor.Spec) ([]tensor.Spec, error) {
			return inferCodePair(op.(backend.QLinearAdd).Scheme, in)
		},
		Grad: func(g *graph.Graph, n *graph.Node, d []graph.Value) []graph.Value {
			dy := g.Apply(backend.STEGrad{}, d[0], n.Out[1])
			return []graph.Value{unbroadcast(g, dy, n.In[0].Shape()), {}, {}, unbroadcast(g, dy, n.In[3].Shape())}
		},
		ONNX: "com.microsoft:QLinearAdd",
	})
}

// inferCodePair is the inference of operations on two tensors of codes that
// broadcast.
func inferCodePair(s quant.Scheme, in []tensor.Spec) ([]tensor.Spec, error) {
	if err := want(in, 8, 8); err != nil {
		return nil, err
	}
	if err := wantPerTensor(s); err != nil {
		return nil, err
	}
	for i, what := range [...]string{"a", "b"} {
		if c := in[3*i]; !c.DType.Code() {
			return nil, fmt.Errorf("op: %s is %v, want int8 or uint8 codes", what, c.DType)
		}
		if err := wantOneScale(what, in[3*i+1], in[3*i+2]); err != nil {
			return nil, err
		}
	}
	if err := wantOneScale("the result", in[6], in[7]); err != nil {
		return nil, err
	}
	shape, err := tensor.Broadcast(in[0].Shape, in[3].Shape)
	if err != nil {
		return nil, fmt.Errorf("op: %w", err)
	}
	return []tensor.Spec{{DType: s.DType(), Shape: shape}, {DType: tensor.B1, Shape: shape}}, nil
}
