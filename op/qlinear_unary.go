package op

import (
	"fmt"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/graph"
	"github.com/goqat/goqat/tensor"
)

func init() {
	graph.Register(backend.QLinearUnary{}, graph.Def{
		Infer: func(op backend.Op, in []tensor.Spec) ([]tensor.Spec, error) {
			o := op.(backend.QLinearUnary)
			if !o.Func.Valid() {
				return nil, fmt.Errorf("op: unknown function %v", o.Func)
			}
			return inferCodeTable(o.Scheme, in)
		},
		Grad: func(g *graph.Graph, n *graph.Node, d []graph.Value) []graph.Value {
			o := n.Op.(backend.QLinearUnary)
			dy := g.Apply(backend.STEGrad{}, d[0], n.Out[1])
			return []graph.Value{g.Apply(backend.QLinearUnaryGrad{Func: o.Func, Alpha: o.Alpha}, dy, n.In[0], n.In[1], n.In[2])}
		},
		NoONNX: "written as DequantizeLinear, the function and QuantizeLinear",
	})
	graph.Register(backend.QLinearUnaryGrad{}, graph.Def{
		Infer: func(op backend.Op, in []tensor.Spec) ([]tensor.Spec, error) {
			if f := op.(backend.QLinearUnaryGrad).Func; !f.Valid() {
				return nil, fmt.Errorf("op: unknown function %v", f)
			}
			if err := want(in, 4, 4); err != nil {
				return nil, err
			}
			if in[0].DType != tensor.F32 || !in[1].DType.Code() || !in[0].Shape.Equal(in[1].Shape) {
				return nil, fmt.Errorf("op: inputs %v, want float32 dy and codes of one shape", in)
			}
			if err := wantOneScale("x", in[2], in[3]); err != nil {
				return nil, err
			}
			return one(in[0]), nil
		},
		NoGrad: noSecond,
		NoONNX: backwardOnly,
	})
}
