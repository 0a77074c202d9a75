package op

import (
	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/graph"
)

func init() {
	graph.Register(backend.Mul{}, graph.Def{
		Infer: inferBroadcast,
		Grad: func(g *graph.Graph, n *graph.Node, d []graph.Value) []graph.Value {
			a, b := n.In[0], n.In[1]
			return []graph.Value{
				unbroadcast(g, g.Apply(backend.Mul{}, d[0], b), a.Shape()),
				unbroadcast(g, g.Apply(backend.Mul{}, d[0], a), b.Shape()),
			}
		},
		Recompute: true,
		ONNX:      "Mul",
		Integer:   mulInteger,
	})
}
