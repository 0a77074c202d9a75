package op

import (
	"fmt"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/graph"
	"github.com/goqat/goqat/tensor"
)

func init() {
	graph.Register(backend.Concat{}, graph.Def{
		Infer:   inferConcat,
		Grad:    gradConcat,
		ONNX:    "Concat",
		Integer: concatInteger,
	})
}

func inferConcat(op backend.Op, in []tensor.Spec) ([]tensor.Spec, error) {
	if err := want(in, max(1, len(in)), len(in)); err != nil {
		return nil, err
	}
	if err := wantBytes(in[0]); err != nil {
		return nil, err
	}
	axis, err := backend.Axis(op.(backend.Concat).Axis, len(in[0].Shape))
	if err != nil {
		return nil, fmt.Errorf("op: %w", err)
	}
	s := in[0].Shape.Clone()
	for _, x := range in[1:] {
		if x.DType != in[0].DType || len(x.Shape) != len(s) {
			return nil, errShapes(in)
		}
		for i, d := range x.Shape {
			if i == axis {
				s[i] += d
			} else if d != s[i] {
				return nil, errShapes(in)
			}
		}
	}
	return one(tensor.Spec{DType: in[0].DType, Shape: s}), nil
}

// gradConcat cuts the gradient at the seams.
func gradConcat(g *graph.Graph, n *graph.Node, d []graph.Value) []graph.Value {
	axis := n.Op.(backend.Concat).Axis
	if axis < 0 {
		axis += len(n.Out[0].Shape())
	}
	out := make([]graph.Value, len(n.In))
	from := 0
	for i, v := range n.In {
		to := from + v.Shape()[axis]
		out[i] = g.Apply(backend.Slice{Axes: tensor.NewDims(axis), Starts: tensor.NewDims(from), Ends: tensor.NewDims(to)}, d[0])
		from = to
	}
	return out
}
