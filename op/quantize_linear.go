package op

import (
	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/graph"
	"github.com/goqat/goqat/tensor"
)

func init() {
	graph.Register(backend.QuantizeLinear{}, graph.Def{
		Infer: func(op backend.Op, in []tensor.Spec) ([]tensor.Spec, error) {
			s := op.(backend.QuantizeLinear).Scheme
			if err := wantRealQuantizer(s, in, 3); err != nil {
				return nil, err
			}
			return []tensor.Spec{{DType: s.DType(), Shape: in[0].Shape}, {DType: tensor.B1, Shape: in[0].Shape}}, nil
		},
		Grad: func(g *graph.Graph, n *graph.Node, d []graph.Value) []graph.Value {
			o := n.Op.(backend.QuantizeLinear)
			return quantizerGrad(g, n, d[0], o.Rule, o.Scheme, o.Learn)
		},
		ONNX: "QuantizeLinear",
	})
}
