package op

import (
	"fmt"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/graph"
	"github.com/goqat/goqat/tensor"
)

func init() {
	graph.Register(backend.Pad{}, graph.Def{
		Infer: func(op backend.Op, in []tensor.Spec) ([]tensor.Spec, error) {
			if err := want(in, 1, 2); err != nil {
				return nil, err
			}
			if err := wantBytes(in[0]); err != nil {
				return nil, err
			}
			if v := at(in, 1); v.DType != tensor.Invalid && (v.Numel() != 1 || v.DType != tensor.I32 && !v.DType.Float()) {
				return nil, fmt.Errorf("op: the padding value is %v, want one int32 or float", v)
			}
			s, err := op.(backend.Pad).Output(in[0].Shape)
			if err != nil {
				return nil, fmt.Errorf("op: %w", err)
			}
			return one(tensor.Spec{DType: in[0].DType, Shape: s}), nil
		},
		Grad:    gradPad,
		ONNX:    "Pad",
		Integer: &graph.IntegerDef{Pass: passPad},
	})
	graph.Register(backend.PadGrad{}, graph.Def{
		Infer: func(op backend.Op, in []tensor.Spec) ([]tensor.Spec, error) {
			if err := want(in, 1, 1); err != nil {
				return nil, err
			}
			if err := wantFloat(in...); err != nil {
				return nil, err
			}
			o := op.(backend.PadGrad)
			s, err := o.Output(o.Input.Slice())
			if err != nil {
				return nil, fmt.Errorf("op: %w", err)
			}
			if !s.Equal(in[0].Shape) {
				return nil, fmt.Errorf("op: gradient is %v, the padded tensor %v", in[0].Shape, s)
			}
			return one(tensor.Spec{DType: in[0].DType, Shape: o.Input.Slice()}), nil
		},
		NoGrad: noSecond,
		NoONNX: backwardOnly,
	})
}

// gradPad takes the inside of the gradient; the value that pads gets none.
func gradPad(g *graph.Graph, n *graph.Node, d []graph.Value) []graph.Value {
	p, in := n.Op.(backend.Pad), n.In[0].Shape()
	out := make([]graph.Value, len(n.In))
	if p.Mode != backend.PadConstant {
		out[0] = g.Apply(backend.PadGrad{Pad: p, Input: tensor.NewDims(in...)}, d[0])
		return out
	}
	ends := p.Before
	for i := range in {
		ends.V[i] += in[i]
	}
	out[0] = g.Apply(backend.Slice{Starts: p.Before, Ends: ends}, d[0])
	return out
}

// passPad pads codes; with zeros it pads with the zero point.
func passPad(r *graph.Rewrite, n *graph.Node) (graph.Codes, bool) {
	p := n.Op.(backend.Pad)
	c, ok := r.Codes(n.In[0])
	if !ok || !perTensor(c) || p.Mode == backend.PadConstant && (p.Value != 0 || !value(n.In, 1).Absent()) {
		return graph.Codes{}, false
	}
	out := r.Dst.ApplyNamed(n.Name, p, c.Value, c.Zero)
	if len(out) == 0 {
		return graph.Codes{}, false
	}
	c.Value = out[0]
	return c, true
}
