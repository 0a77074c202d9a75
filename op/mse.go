package op

import (
	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/graph"
	"github.com/goqat/goqat/tensor"
)

func init() {
	graph.Register(backend.MSE{}, graph.Def{
		Infer: func(op backend.Op, in []tensor.Spec) ([]tensor.Spec, error) {
			if _, err := inferSameTwo(op, in); err != nil {
				return nil, err
			}
			return one(tensor.Of(in[0].DType)), nil
		},
		Grad: func(g *graph.Graph, n *graph.Node, d []graph.Value) []graph.Value {
			dx := g.Apply(backend.MSEGrad{}, d[0], n.In[0], n.In[1])
			return []graph.Value{dx, g.Apply(backend.Neg{}, dx)}
		},
		NoONNX: "a training loss",
	})
	graph.Register(backend.MSEGrad{}, graph.Def{
		Infer: func(op backend.Op, in []tensor.Spec) ([]tensor.Spec, error) {
			if err := want(in, 3, 3); err != nil {
				return nil, err
			}
			if err := wantFloat(in...); err != nil {
				return nil, err
			}
			if in[0].Numel() != 1 || !in[1].Shape.Equal(in[2].Shape) {
				return nil, errShapes(in)
			}
			return one(in[1]), nil
		},
		NoGrad: noSecond,
		NoONNX: backwardOnly,
	})
}
