package op

import (
	"fmt"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/graph"
	"github.com/goqat/goqat/tensor"
)

func init() {
	graph.Register(backend.Softmax{}, graph.Def{
		Infer: func(op backend.Op, in []tensor.Spec) ([]tensor.Spec, error) {
			out, err := inferUnary(op, in)
			if err != nil {
				return nil, err
			}
			if _, err := backend.Axis(op.(backend.Softmax).Axis, len(in[0].Shape)); err != nil {
				return nil, fmt.Errorf("op: %w", err)
			}
			return out, nil
		},
		Grad: func(g *graph.Graph, n *graph.Node, d []graph.Value) []graph.Value {
			return []graph.Value{g.Apply(backend.SoftmaxGrad(n.Op.(backend.Softmax)), d[0], n.Out[0])}
		},
		ONNX: "Softmax",
	})
	graph.Register(backend.SoftmaxGrad{}, graph.Def{
		Infer: func(op backend.Op, in []tensor.Spec) ([]tensor.Spec, error) {
			out, err := inferSameTwo(op, in)
			if err != nil {
				return nil, err
			}
			if _, err := backend.Axis(op.(backend.SoftmaxGrad).Axis, len(in[0].Shape)); err != nil {
				return nil, fmt.Errorf("op: %w", err)
			}
			return out, nil
		},
		NoGrad: noSecond,
		NoONNX: backwardOnly,
	})
}
