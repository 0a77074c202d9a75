package op

import (
	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/graph"
)

func init() {
	graph.Register(backend.HardSwish{}, graph.Def{
		Infer: inferUnary,
		Grad: func(g *graph.Graph, n *graph.Node, d []graph.Value) []graph.Value {
			return []graph.Value{g.Apply(backend.HardSwishGrad{}, d[0], n.In[0])}
		},
		Recompute: true,
		ONNX:      "HardSwish",
		Integer:   unaryInteger(backend.UnaryHardSwish),
	})
	graph.Register(backend.HardSwishGrad{}, graph.Def{
		Infer:  inferSameTwo,
		NoGrad: noSecond,
		NoONNX: backwardOnly,
	})
}
