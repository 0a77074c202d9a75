package op

import (
	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/graph"
	"github.com/goqat/goqat/tensor"
)

func init() {
	graph.Register(backend.Cast{}, graph.Def{
		Infer: func(op backend.Op, in []tensor.Spec) ([]tensor.Spec, error) {
			if err := want(in, 1, 1); err != nil {
				return nil, err
			}
			to := tensor.Spec{DType: op.(backend.Cast).To, Shape: in[0].Shape}
			if err := wantBytes(in[0]); err != nil {
				return nil, err
			}
			if err := wantBytes(to); err != nil {
				return nil, err
			}
			return one(to), nil
		},
		// Nothing flows through integers.
		Grad: func(g *graph.Graph, n *graph.Node, d []graph.Value) []graph.Value {
			if !n.In[0].DType().Float() || !n.Out[0].DType().Float() {
				return []graph.Value{{}}
			}
			// The gradient of bfloat16 may be float32.
			if n.In[0].DType() == tensor.BF16 || d[0].DType() == n.In[0].DType() {
				return d
			}
			return []graph.Value{g.Apply(backend.Cast{To: n.In[0].DType()}, d[0])}
		},
		ONNX: "Cast",
	})
}
