package op

import (
	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/graph"
)

func init() {
	graph.Register(backend.Clip{}, graph.Def{
		Infer: inferUnary,
		Grad: func(g *graph.Graph, n *graph.Node, d []graph.Value) []graph.Value {
			return []graph.Value{g.Apply(backend.ClipGrad(n.Op.(backend.Clip)), d[0], n.Out[0])}
		},
		Recompute: true,
		ONNX:      "Clip",
	})
	graph.Register(backend.ClipGrad{}, graph.Def{
		Infer:  inferSameTwo,
		NoGrad: noSecond,
		NoONNX: backwardOnly,
	})
}
