package op

import (
	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/graph"
	"github.com/goqat/goqat/tensor"
)

func init() {
	graph.Register(backend.QLinearSub{}, graph.Def{
		Infer: func(op backend.Op, in []tensor.Spec) ([]tensor.Spec, error) {
			return inferCodePair(op.(backend.QLinearSub).Scheme, in)
		},
		Grad: func(g *graph.Graph, n *graph.Node, d []graph.Value) []graph.Value {
			dy := g.Apply(backend.STEGrad{}, d[0], n.Out[1])
			return []graph.Value{unbroadcast(g, dy, n.In[0].Shape()), {}, {}, g.Apply(backend.Neg{}, unbroadcast(g, dy, n.In[3].Shape()))}
		},
		NoONNX: "there is no such operator: written as DequantizeLinear, Sub and QuantizeLinear",
	})
}
