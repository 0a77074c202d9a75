package op

import (
	"fmt"
	"math"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/graph"
	"github.com/goqat/goqat/tensor"
)

func init() {
	graph.Register(backend.MaxPool{}, graph.Def{
		Infer: func(op backend.Op, in []tensor.Spec) ([]tensor.Spec, error) {
			if err := want(in, 1, 1); err != nil {
				return nil, err
			}
			if !in[0].DType.Float() && !in[0].DType.Code() {
				return nil, fmt.Errorf("op: input is %v, want a float or codes", in[0].DType)
			}
			p := op.(backend.MaxPool)
			s, err := poolShape(in[0].Shape, p.Window, p.Kernel, func(w backend.Window, in, kernel [2]int) ([2]int, error) {
				return backend.MaxPool{Window: w, Kernel: kernel, Ceil: p.Ceil}.Size(in)
			})
			if err != nil {
				return nil, err
			}
			if in := sides(in[0].Shape, 1); int64(in[0])*int64(in[1]) > math.MaxInt32 {
				return nil, fmt.Errorf("op: positions in a plane of %d by %d do not fit an int32", in[0], in[1])
			}
			return []tensor.Spec{{DType: in[0].DType, Shape: s}, {DType: tensor.I32, Shape: s}}, nil
		},
		Grad: func(g *graph.Graph, n *graph.Node, d []graph.Value) []graph.Value {
			if d[0].Absent() {
				return []graph.Value{{}}
			}
			return []graph.Value{g.Apply(backend.MaxPoolGrad{Input: tensor.NewDims(n.In[0].Shape()...)}, d[0], n.Out[1])}
		},
		ONNX: "MaxPool",
		// The largest code stands for the largest value: scales are positive.
		Integer: &graph.IntegerDef{Pass: func(r *graph.Rewrite, n *graph.Node) (graph.Codes, bool) {
			c, ok := r.Codes(n.In[0])
			if !ok {
				return c, false
			}
			// Per-channel parameters would do as well: channels do not mix.
			out := r.Dst.ApplyNamed(n.Name, n.Op, c.Value)
			if len(out) == 0 {
				return c, false
			}
			c.Value = out[0]
			return c, true
		}},
	})
	graph.Register(backend.MaxPoolGrad{}, graph.Def{
		Infer: func(op backend.Op, in []tensor.Spec) ([]tensor.Spec, error) {
			x, err := dims(op.(backend.MaxPoolGrad).Input)
			if err != nil {
				return nil, err
			}
			if err := want(in, 2, 2); err != nil {
				return nil, err
			}
			if err := wantFloat(in[0]); err != nil {
				return nil, err
			}
			if in[1].DType != tensor.I32 || !in[0].Shape.Equal(in[1].Shape) {
				return nil, fmt.Errorf("op: positions %v for gradient %v", in[1], in[0])
			}
			return poolGradShape(in[0], x)
		},
		NoGrad: "gradients of gradients are not offered",
		NoONNX: "part of the backward pass",
	})
}

// poolShape returns the shape of the result of a pooling of x, given what
// computes height and width of the result.
func poolShape(x tensor.Shape, w backend.Window, kernel [2]int, size func(w backend.Window, in, kernel [2]int) ([2]int, error)) (tensor.Shape, error) {
	if len(x) != 3 && len(x) != 4 {
		return nil, fmt.Errorf("op: input %v, want [batch, height, width, channels] or [batch, length, channels]", x)
	}
	if len(x) == 3 {
		w, kernel[0] = w.Length(), 1
	}
	o, err := size(w, sides(x, 1), kernel)
	if err != nil {
		return nil, fmt.Errorf("op: %w", err)
	}
	if len(x) == 3 {
		return tensor.Shape{x[0], o[1], x[2]}, nil
	}
	return tensor.Shape{x[0], o[0], o[1], x[3]}, nil
}

// poolGradShape returns type x of dy's float type when both can be the two
// sides of a pooling.
func poolGradShape(dy tensor.Spec, x tensor.Shape) ([]tensor.Spec, error) {
	if len(x) != 3 && len(x) != 4 || len(dy.Shape) != len(x) || dy.Shape[0] != x[0] || dy.Shape.Last() != x.Last() {
		return nil, fmt.Errorf("op: gradient %v of a pooling of %v", dy.Shape, x)
	}
	return one(tensor.Spec{DType: dy.DType, Shape: x}), nil
}
