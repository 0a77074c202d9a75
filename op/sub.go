package op

import (
	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/graph"
)

func init() {
	graph.Register(backend.Sub{}, graph.Def{
		Infer: inferBroadcast,
		Grad: func(g *graph.Graph, n *graph.Node, d []graph.Value) []graph.Value {
			return []graph.Value{
				unbroadcast(g, d[0], n.In[0].Shape()),
				g.Apply(backend.Neg{}, unbroadcast(g, d[0], n.In[1].Shape())),
			}
		},
		Recompute: true,
		ONNX:      "Sub",
		Integer:   subInteger,
	})
}
