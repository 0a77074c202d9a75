package op

import (
	"fmt"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/graph"
	"github.com/goqat/goqat/tensor"
)

func init() {
	graph.Register(backend.Conv{}, graph.Def{
		Infer: func(op backend.Op, in []tensor.Spec) ([]tensor.Spec, error) {
			if err := want(in, 2, 3); err != nil {
				return nil, err
			}
			if err := wantFloat(in...); err != nil {
				return nil, err
			}
			s, err := convShape(op.(backend.Conv), in[0].Shape, in[1].Shape)
			if err == nil {
				err = wantBias(at(in, 2), in[1].Shape[0])
			}
			if err != nil {
				return nil, err
			}
			return one(tensor.Spec{DType: in[0].DType, Shape: s}), nil
		},
		Grad: func(g *graph.Graph, n *graph.Node, d []graph.Value) []graph.Value {
			c, x, w := n.Op.(backend.Conv), n.In[0], n.In[1]
			out := []graph.Value{
				g.Apply(backend.ConvGradInput{Conv: c, Input: tensor.NewDims(x.Shape()...)}, d[0], w),
				g.Apply(backend.ConvGradWeight{Conv: c, Weight: tensor.NewDims(w.Shape()...)}, d[0], x),
				{},
			}
			if !value(n.In, 2).Absent() {
				out[2] = g.Apply(backend.BiasGrad{}, d[0])
			}
			return out[:len(n.In)]
		},
		ONNX:    "Conv",
		Integer: convInteger,
	})
	graph.Register(backend.ConvGradInput{}, graph.Def{
		Infer: func(op backend.Op, in []tensor.Spec) ([]tensor.Spec, error) {
			o := op.(backend.ConvGradInput)
			x, err := dims(o.Input)
			if err != nil {
				return nil, err
			}
			if err := want(in, 2, 3); err != nil {
				return nil, err
			}
			if err := wantOperand(in, false); err != nil {
				return nil, err
			}
			return inferConvGrad(o.Conv, in[0], x, in[1].Shape, x)
		},
		NoGrad: "gradients of gradients are not offered",
		NoONNX: "part of the backward pass",
	})
	graph.Register(backend.ConvGradWeight{}, graph.Def{
		Infer: func(op backend.Op, in []tensor.Spec) ([]tensor.Spec, error) {
			o := op.(backend.ConvGradWeight)
			w, err := dims(o.Weight)
			if err != nil {
				return nil, err
			}
			if err := want(in, 2, 4); err != nil {
				return nil, err
			}
			if err := wantOperand(in, true); err != nil {
				return nil, err
			}
			return inferConvGrad(o.Conv, in[0], in[1].Shape, w, w)
		},
		NoGrad: "gradients of gradients are not offered",
		NoONNX: "part of the backward pass",
	})
}

// convShape returns the shape of the result of a convolution of x with w.
func convShape(c backend.Conv, x, w tensor.Shape) (tensor.Shape, error) {
	if len(x) != 3 && len(x) != 4 {
		return nil, fmt.Errorf("op: input %v, want [batch, height, width, channels] or [batch, length, channels]", x)
	}
	if len(w) != len(x) {
		return nil, fmt.Errorf("op: weight %v for input %v, want as many dimensions", w, x)
	}
	g := max(c.Groups, 1)
	if c.Groups < 0 || x.Last()%g != 0 || w[0]%g != 0 {
		return nil, fmt.Errorf("op: %d groups do not divide %d input and %d output channels", c.Groups, x.Last(), w[0])
	}
	if w.Last() != x.Last()/g {
		return nil, fmt.Errorf("op: weight %v has %d channels a group, input %v with %d groups %d", w, w.Last(), x, g, x.Last()/g)
	}
	in, kernel, win := sides(x, 1), sides(w, 1), c.Window
	if len(x) == 3 {
		win = win.Length()
	}
	o, err := win.Output(in, kernel)
	if err != nil {
		return nil, fmt.Errorf("op: %w", err)
	}
	if len(x) == 3 {
		return tensor.Shape{x[0], o[1], w[0]}, nil
	}
	return tensor.Shape{x[0], o[0], o[1], w[0]}, nil
}

// sides returns height and width of a shape whose spatial dimensions start at
// axis from: height 1 for the shape of a sequence.
func sides(s tensor.Shape, from int) [2]int {
	if len(s) == from+2 {
		return [2]int{1, s[from]}
	}
	return [2]int{s[from], s[from+1]}
}

// dims returns the shape in an attribute.
func dims(d tensor.Dims) (tensor.Shape, error) {
	if d.N < 0 || d.N > tensor.MaxRank {
		return nil, fmt.Errorf("op: attribute with %d dimensions", d.N)
	}
	s := tensor.Shape(d.Slice())
	return s, s.Check()
}

// wantBias returns an error unless the bias is absent or has n elements.
func wantBias(b tensor.Spec, n int) error {
	if b.DType != tensor.Invalid && !b.Shape.Equal(tensor.Shape{n}) {
		return fmt.Errorf("op: bias %v, want [%d]", b.Shape, n)
	}
	return nil
}

// wantOperand checks the types of a gradient operation on dy and a second
// operand: float like dy, or codes with a scale, one a tensor or (without
// affine) one an output channel, and with affine a zero point.
func wantOperand(in []tensor.Spec, affine bool) error {
	if !in[1].DType.Code() {
		if at(in, 2).DType != tensor.Invalid || at(in, 3).DType != tensor.Invalid {
			return fmt.Errorf("op: a scale for an operand of type %v", in[1].DType)
		}
		return wantFloat(in[0], in[1])
	}
	if err := wantFloat(in[0]); err != nil {
		return err
	}
	s, z := at(in, 2), at(in, 3)
	perTensor := s.Shape.Numel() == 1
	perChannel := !affine && len(in[1].Shape) > 0 && s.Shape.Equal(in[1].Shape[:1])
	if s.DType != tensor.F32 || !perTensor && !perChannel {
		return fmt.Errorf("op: codes %v need a float32 scale, not %v", in[1], s)
	}
	if affine && (z.DType != tensor.I32 || z.Shape.Numel() != 1) {
		return fmt.Errorf("op: codes %v need an int32 zero point, not %v", in[1], z)
	}
	return nil
}

// inferConvGrad returns type result of dy's float type when dy fits a
// convolution of x with w.
func inferConvGrad(c backend.Conv, dy tensor.Spec, x, w, result tensor.Shape) ([]tensor.Spec, error) {
	y, err := convShape(c, x, w)
	if err != nil {
		return nil, err
	}
	if !y.Equal(dy.Shape) {
		return nil, fmt.Errorf("op: gradient %v of a convolution of %v with %v, want %v", dy.Shape, x, w, y)
	}
	return one(tensor.Spec{DType: dy.DType, Shape: result}), nil
}
