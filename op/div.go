package op

import (
	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/graph"
	"github.com/goqat/goqat/tensor"
)

func init() {
	graph.Register(backend.Div{}, graph.Def{
		Infer: func(op backend.Op, in []tensor.Spec) ([]tensor.Spec, error) {
			if err := wantFloat(in...); err != nil {
				return nil, err
			}
			return inferBroadcast(op, in)
		},
		// da = dy/b and db = -(dy/b) * y.
		Grad: func(g *graph.Graph, n *graph.Node, d []graph.Value) []graph.Value {
			q := g.Apply(backend.Div{}, d[0], n.In[1])
			return []graph.Value{
				unbroadcast(g, q, n.In[0].Shape()),
				g.Apply(backend.Neg{}, unbroadcast(g, g.Apply(backend.Mul{}, q, n.Out[0]), n.In[1].Shape())),
			}
		},
		ONNX: "Div",
	})
}
