package op

import (
	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/graph"
)

func init() {
	graph.Register(backend.Tanh{}, graph.Def{
		Infer: inferUnary,
		Grad: func(g *graph.Graph, n *graph.Node, d []graph.Value) []graph.Value {
			return []graph.Value{g.Apply(backend.TanhGrad{}, d[0], n.Out[0])}
		},
		ONNX:    "Tanh",
		Integer: unaryInteger(backend.UnaryTanh),
	})
	graph.Register(backend.TanhGrad{}, graph.Def{
		Infer:  inferSameTwo,
		NoGrad: noSecond,
		NoONNX: backwardOnly,
	})
}
