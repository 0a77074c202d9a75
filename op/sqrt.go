package op

import (
	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/graph"
)

func init() {
	graph.Register(backend.Sqrt{}, graph.Def{
		Infer: inferUnary,
		Grad: func(g *graph.Graph, n *graph.Node, d []graph.Value) []graph.Value {
			return []graph.Value{g.Apply(backend.Div{}, d[0], g.Apply(backend.Add{}, n.Out[0], n.Out[0]))}
		},
		ONNX: "Sqrt",
	})
}
