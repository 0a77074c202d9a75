package op

import (
	"fmt"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/graph"
	"github.com/goqat/goqat/tensor"
)

func init() {
	graph.Register(backend.Reduce{}, graph.Def{
		Infer: func(op backend.Op, in []tensor.Spec) ([]tensor.Spec, error) {
			if err := want(in, 1, 1); err != nil {
				return nil, err
			}
			if err := wantFloat(in...); err != nil {
				return nil, err
			}
			s, err := reducedShape(op.(backend.Reduce), in[0].Shape)
			if err != nil {
				return nil, err
			}
			return one(tensor.Spec{DType: in[0].DType, Shape: s}), nil
		},
		Grad: func(g *graph.Graph, n *graph.Node, d []graph.Value) []graph.Value {
			op := backend.ReduceGrad{Reduce: n.Op.(backend.Reduce), Input: tensor.NewDims(n.In[0].Shape()...)}
			in := []graph.Value{d[0]}
			if op.Kind > backend.ReduceMean {
				in = append(in, n.In[0], n.Out[0])
			}
			return []graph.Value{g.Apply(op, in...)}
		},
		ONNX: "ReduceSum", // And ReduceMean, Max, Min, Prod and L2, by Kind.
	})
	graph.Register(backend.ReduceGrad{}, graph.Def{
		Infer:  inferReduceGrad,
		NoGrad: noSecond,
		NoONNX: backwardOnly,
	})
}

func reducedShape(op backend.Reduce, in tensor.Shape) (tensor.Shape, error) {
	if !op.Kind.Valid() {
		return nil, fmt.Errorf("op: unknown reduction %d", op.Kind)
	}
	m, err := op.Reduced(len(in))
	if err != nil {
		return nil, fmt.Errorf("op: %w", err)
	}
	s := tensor.Shape{}
	for i, d := range in {
		if !m[i] {
			s = append(s, d)
		} else if op.KeepDims {
			s = append(s, 1)
		}
	}
	return s, nil
}

func inferReduceGrad(op backend.Op, in []tensor.Spec) ([]tensor.Spec, error) {
	o := op.(backend.ReduceGrad)
	n := 1
	if o.Kind > backend.ReduceMean {
		n = 3
	}
	if err := want(in, n, n); err != nil {
		return nil, err
	}
	if err := wantFloat(in...); err != nil {
		return nil, err
	}
	x := tensor.Shape(o.Input.Slice())
	s, err := reducedShape(o.Reduce, x)
	if err != nil {
		return nil, err
	}
	if !in[0].Shape.Equal(s) || n == 3 && (!in[1].Shape.Equal(x) || !in[2].Shape.Equal(s)) {
		return nil, errShapes(in)
	}
	return one(tensor.Spec{DType: in[0].DType, Shape: x}), nil
}
