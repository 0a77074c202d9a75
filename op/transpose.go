package op

import (
	"fmt"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/graph"
	"github.com/goqat/goqat/tensor"
)

func init() {
	graph.Register(backend.Transpose{}, graph.Def{
		Infer: func(op backend.Op, in []tensor.Spec) ([]tensor.Spec, error) {
			if err := want(in, 1, 1); err != nil {
				return nil, err
			}
			if err := wantBytes(in[0]); err != nil {
				return nil, err
			}
			t := op.(backend.Transpose)
			if err := t.Check(len(in[0].Shape)); err != nil {
				return nil, fmt.Errorf("op: %w", err)
			}
			s := in[0].Shape.Clone()
			for i, p := range t.Perm.V[:t.Perm.N] {
				s[i] = in[0].Shape[p]
			}
			return one(tensor.Spec{DType: in[0].DType, Shape: s}), nil
		},
		Grad: func(g *graph.Graph, n *graph.Node, d []graph.Value) []graph.Value {
			return []graph.Value{g.Apply(n.Op.(backend.Transpose).Inverse(), d[0])}
		},
		ONNX:    "Transpose",
		Integer: passCodes,
	})
}
