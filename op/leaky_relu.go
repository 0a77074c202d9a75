package op

import (
	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/graph"
)

func init() {
	graph.Register(backend.LeakyRelu{}, graph.Def{
		Infer: inferUnary,
		Grad: func(g *graph.Graph, n *graph.Node, d []graph.Value) []graph.Value {
			return []graph.Value{g.Apply(backend.LeakyReluGrad(n.Op.(backend.LeakyRelu)), d[0], n.In[0])}
		},
		Recompute: true,
		ONNX:      "LeakyRelu",
		Integer:   unaryInteger(backend.UnaryLeakyRelu),
	})
	graph.Register(backend.LeakyReluGrad{}, graph.Def{
		Infer:  inferSameTwo,
		NoGrad: noSecond,
		NoONNX: backwardOnly,
	})
}
