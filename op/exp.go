package op

import (
	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/graph"
)

func init() {
	graph.Register(backend.Exp{}, graph.Def{
		Infer: inferUnary,
		Grad: func(g *graph.Graph, n *graph.Node, d []graph.Value) []graph.Value {
			return []graph.Value{g.Apply(backend.Mul{}, d[0], n.Out[0])}
		},
		ONNX: "Exp",
	})
}
