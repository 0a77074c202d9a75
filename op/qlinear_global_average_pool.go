package op

import (
	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/graph"
	"github.com/goqat/goqat/tensor"
)

func init() {
	graph.Register(backend.QLinearGlobalAveragePool{}, graph.Def{
		Infer: func(op backend.Op, in []tensor.Spec) ([]tensor.Spec, error) {
			p := op.(backend.QLinearGlobalAveragePool)
			if err := wantCodesAndZero(in, p.Scheme); err != nil {
				return nil, err
			}
			y, err := globalAveragePoolShape(p.GlobalAveragePool, in[0].Shape)
			if err != nil {
				return nil, err
			}
			s := in[0].Shape
			area := s[1 : len(s)-1].Numel()
			return one(tensor.Spec{DType: in[0].DType, Shape: y}), wantAccumulator(codeSpan(in[0].DType, true), [2]int32{1, 1}, area, false)
		},
		Grad: func(g *graph.Graph, n *graph.Node, d []graph.Value) []graph.Value {
			op := backend.GlobalAveragePoolGrad{Input: tensor.NewDims(n.In[0].Shape()...)}
			return []graph.Value{g.Apply(op, d[0]), {}}
		},
		ONNX: "com.microsoft:QLinearGlobalAveragePool",
	})
}
