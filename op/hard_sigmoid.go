package op

import (
	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/graph"
)

func init() {
	graph.Register(backend.HardSigmoid{}, graph.Def{
		Infer: inferUnary,
		Grad: func(g *graph.Graph, n *graph.Node, d []graph.Value) []graph.Value {
			return []graph.Value{g.Apply(backend.HardSigmoidGrad{}, d[0], n.In[0])}
		},
		Recompute: true,
		ONNX:      "HardSigmoid",
		Integer:   unaryInteger(backend.UnaryHardSigmoid),
	})
	graph.Register(backend.HardSigmoidGrad{}, graph.Def{
		Infer:  inferSameTwo,
		NoGrad: noSecond,
		NoONNX: backwardOnly,
	})
}
