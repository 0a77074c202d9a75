package op

import (
	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/graph"
)

func init() {
	graph.Register(backend.Neg{}, graph.Def{
		Infer: inferUnary,
		Grad: func(g *graph.Graph, _ *graph.Node, d []graph.Value) []graph.Value {
			return []graph.Value{g.Apply(backend.Neg{}, d[0])}
		},
		ONNX: "Neg",
	})
}
