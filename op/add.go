package op

import (
	"fmt"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/graph"
	"github.com/goqat/goqat/tensor"
)

func init() {
	graph.SetSum(backend.Add{})
	graph.Register(backend.Add{}, graph.Def{
		Infer: inferBroadcast,
		Grad: func(g *graph.Graph, n *graph.Node, d []graph.Value) []graph.Value {
			return []graph.Value{unbroadcast(g, d[0], n.In[0].Shape()), unbroadcast(g, d[0], n.In[1].Shape())}
		},
		Recompute: true,
		ONNX:      "Add",
		Integer:   addInteger,
	})
}

// inferBroadcast is the inference of arithmetic on two tensors.
func inferBroadcast(_ backend.Op, in []tensor.Spec) ([]tensor.Spec, error) {
	if err := want(in, 2, 2); err != nil {
		return nil, err
	}
	d := in[0].DType
	if d != in[1].DType {
		return nil, fmt.Errorf("op: operands are %v and %v", d, in[1].DType)
	}
	if !d.Float() && d != tensor.I32 && d != tensor.I64 {
		return nil, fmt.Errorf("op: no arithmetic on %v", d)
	}
	s, err := tensor.Broadcast(in[0].Shape, in[1].Shape)
	if err != nil {
		return nil, fmt.Errorf("op: %w", err)
	}
	return one(tensor.Spec{DType: d, Shape: s}), nil
}

// unbroadcast sums d over the dimensions that broadcasting stretched, so that
// it has the shape to.
func unbroadcast(g *graph.Graph, d graph.Value, to tensor.Shape) graph.Value {
	sum := func(keep bool, axes []int) {
		if len(axes) > 0 && g.Err() == nil {
			d = g.Apply(backend.Reduce{Kind: backend.ReduceSum, Axes: tensor.NewDims(axes...), KeepDims: keep}, d)
		}
	}
	var lead, ones []int
	for i := range len(d.Shape()) - len(to) {
		lead = append(lead, i)
	}
	sum(false, lead)
	for i, n := range d.Shape() {
		if n != to[i] {
			ones = append(ones, i)
		}
	}
	sum(true, ones)
	return d
}
