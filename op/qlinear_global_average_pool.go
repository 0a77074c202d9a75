package op

import (
	"fmt"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/graph"
	"github.com/goqat/goqat/tensor"
)

func init() {
	graph.Register(backend.QLinearGlobalAveragePool{}, graph.Def{
		Infer: func(op backend.Op, in []tensor.Spec) ([]tensor.Spec, error) {
			p := op.(backend.QLinearGlobalAveragePool)
			own := len(in) > 2
			check := in[:min(len(in), 2)]
			if own {
				if err := want(in, 5, 5); err != nil {
					return nil, err
				}
				if one := tensor.Of(tensor.F32, 1); !in[2].Equal(one) || !in[3].Equal(one) || !in[1].Equal(tensor.Of(tensor.I32, 1)) || !in[4].Equal(tensor.Of(tensor.I32, 1)) || !in[0].DType.Code() {
					return nil, fmt.Errorf("op: codes, scales and zero points are %v, want codes, int32[1], float32[1], float32[1], int32[1]", in)
				}
				if err := p.Scheme.Validate(); err != nil {
					return nil, err
				}
			} else if err := wantCodesAndZero(check, p.Scheme); err != nil {
				return nil, err
			}
			y, err := globalAveragePoolShape(p.GlobalAveragePool, in[0].Shape)
			if err != nil {
				return nil, err
			}
			s := in[0].Shape
			area := s[1 : len(s)-1].Numel()
			out := one(tensor.Spec{DType: in[0].DType, Shape: y})
			if own {
				out = []tensor.Spec{{DType: p.Scheme.DType(), Shape: y}, {DType: tensor.B1, Shape: y}}
			}
			return out, wantAccumulator(codeSpan(in[0].DType, true), [2]int32{1, 1}, area, false)
		},
		Grad: func(g *graph.Graph, n *graph.Node, d []graph.Value) []graph.Value {
			op := backend.GlobalAveragePoolGrad{Input: tensor.NewDims(n.In[0].Shape()...)}
			dy := d[0]
			if len(n.Out) > 1 {
				dy = g.Apply(backend.STEGrad{}, dy, n.Out[1])
			}
			return append([]graph.Value{g.Apply(op, dy)}, make([]graph.Value, len(n.In)-1)...)
		},
		ONNX: "com.microsoft:QLinearGlobalAveragePool",
	})
}
