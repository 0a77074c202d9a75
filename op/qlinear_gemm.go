package op

import (
	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/graph"
	"github.com/goqat/goqat/tensor"
)

func init() {
	graph.Register(backend.QLinearGemm{}, graph.Def{
		Infer: func(op backend.Op, in []tensor.Spec) ([]tensor.Spec, error) {
			if err := wantPresent(in, 9, 0, 1, 2, 3, 4, 6, 7); err != nil {
				return nil, err
			}
			o := op.(backend.QLinearGemm)
			y, err := codesGemm(in[0], in[3])
			if err != nil {
				return nil, err
			}
			return inferQLinear(in, y, o.Scheme, o.Lo, o.Hi)
		},
		Grad: func(g *graph.Graph, n *graph.Node, d []graph.Value) []graph.Value {
			if d[0].Absent() || !wantSymmetricWeight(g, n) {
				return make([]graph.Value, len(n.In))
			}
			dz := g.Apply(backend.STEGrad{}, d[0], n.Out[1])
			dx, dw, db := gemmCodesGrad(g, dz, n.In[0], n.In[1], n.In[2], n.In[3], n.In[4], value(n.In, 8))
			return []graph.Value{dx, {}, {}, dw, {}, {}, {}, {}, db}[:len(n.In)]
		},
		ONNX: "com.microsoft:QGemm",
	})
}
