package op

import (
	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/graph"
)

func init() {
	graph.Register(backend.Sigmoid{}, graph.Def{
		Infer: inferUnary,
		Grad: func(g *graph.Graph, n *graph.Node, d []graph.Value) []graph.Value {
			return []graph.Value{g.Apply(backend.SigmoidGrad{}, d[0], n.Out[0])}
		},
		ONNX:    "Sigmoid",
		Integer: unaryInteger(backend.UnarySigmoid),
	})
	graph.Register(backend.SigmoidGrad{}, graph.Def{
		Infer:  inferSameTwo,
		NoGrad: noSecond,
		NoONNX: backwardOnly,
	})
}
