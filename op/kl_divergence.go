package op

import (
	"fmt"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/graph"
	"github.com/goqat/goqat/tensor"
)

func init() {
	graph.Register(backend.KLDivergence{}, graph.Def{
		Infer: func(op backend.Op, in []tensor.Spec) ([]tensor.Spec, error) {
			if _, err := inferSameTwo(op, in); err != nil {
				return nil, err
			}
			if t := op.(backend.KLDivergence).Temperature; !(t > 0) {
				return nil, fmt.Errorf("op: temperature %v is not positive", t)
			}
			if len(in[0].Shape) == 0 {
				return nil, errShapes(in)
			}
			return []tensor.Spec{tensor.Of(in[0].DType), in[0]}, nil
		},
		// dloss/dstudent = T/rows * (p - q).
		Grad: func(g *graph.Graph, n *graph.Node, d []graph.Value) []graph.Value {
			if !d[1].Absent() {
				g.Fail(fmt.Errorf("op: node %s: p - q of a divergence has no gradient, use softmax", n.Name))
				return nil
			}
			s := n.In[0].Shape()
			rows := s[:len(s)-1].Numel()
			f := g.Scalar(n.In[0].DType(), float64(n.Op.(backend.KLDivergence).Temperature)/float64(rows))
			return []graph.Value{g.Apply(backend.Mul{}, n.Out[1], g.Apply(backend.Mul{}, d[0], f)), {}}
		},
		NoONNX: "a training loss",
	})
}
