package op

import (
	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/graph"
)

func init() {
	graph.Register(backend.Gelu{}, graph.Def{
		Infer: inferUnary,
		Grad: func(g *graph.Graph, n *graph.Node, d []graph.Value) []graph.Value {
			return []graph.Value{g.Apply(backend.GeluGrad(n.Op.(backend.Gelu)), d[0], n.In[0])}
		},
		ONNX:    "Gelu",
		Integer: unaryInteger(backend.UnaryGelu),
	})
	graph.Register(backend.GeluGrad{}, graph.Def{
		Infer:  inferSameTwo,
		NoGrad: noSecond,
		NoONNX: backwardOnly,
	})
}
