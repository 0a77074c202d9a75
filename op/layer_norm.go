package op

import (
	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/graph"
	"github.com/goqat/goqat/tensor"
)

func init() {
	graph.Register(backend.LayerNorm{}, graph.Def{
		Infer: inferLayerNorm,
		Grad: func(g *graph.Graph, n *graph.Node, d []graph.Value) []graph.Value {
			if d[0].Absent() {
				return make([]graph.Value, len(n.In))
			}
			out := g.ApplyN(backend.LayerNormGrad{}, d[0], n.In[0], n.Out[1], n.Out[2], value(n.In, 1))
			return out[:min(len(out), len(n.In))]
		},
		ONNX: "LayerNormalization",
	})
	graph.Register(backend.LayerNormGrad{}, graph.Def{
		Infer:  inferLayerNormGrad,
		NoGrad: noSecond,
		NoONNX: backwardOnly,
	})
}

func inferLayerNorm(_ backend.Op, in []tensor.Spec) ([]tensor.Spec, error) {
	if err := want(in, 1, 3); err != nil {
		return nil, err
	}
	if err := wantFloat(in...); err != nil {
		return nil, err
	}
	s := in[0].Shape
	if len(s) == 0 {
		return nil, errShapes(in)
	}
	for _, p := range in[1:] {
		if p.DType != tensor.Invalid && !p.Shape.Equal(s[len(s)-1:]) {
			return nil, errShapes(in)
		}
	}
	row := tensor.Spec{DType: in[0].DType, Shape: s[:len(s)-1].Clone()}
	return []tensor.Spec{in[0], row, row}, nil
}

func inferLayerNormGrad(_ backend.Op, in []tensor.Spec) ([]tensor.Spec, error) {
	if err := want(in, 4, 5); err != nil {
		return nil, err
	}
	if err := wantFloat(in...); err != nil {
		return nil, err
	}
	s := in[0].Shape
	if len(s) == 0 || !in[1].Shape.Equal(s) || !in[2].Shape.Equal(s[:len(s)-1]) || !in[3].Shape.Equal(s[:len(s)-1]) {
		return nil, errShapes(in)
	}
	p := tensor.Spec{DType: in[0].DType, Shape: s[len(s)-1:].Clone()}
	if q := at(in, 4); q.DType != tensor.Invalid && !q.Shape.Equal(p.Shape) {
		return nil, errShapes(in)
	}
	return []tensor.Spec{in[0], p, p}, nil
}
