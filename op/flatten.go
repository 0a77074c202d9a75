package op

import (
	"fmt"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/graph"
	"github.com/goqat/goqat/tensor"
)

func init() {
	graph.Register(backend.Flatten{}, graph.Def{
		Infer: func(_ backend.Op, in []tensor.Spec) ([]tensor.Spec, error) {
			if err := want(in, 1, 1); err != nil {
				return nil, err
			}
			if err := wantBytes(in[0]); err != nil {
				return nil, err
			}
			s := in[0].Shape
			if len(s) == 0 {
				return nil, fmt.Errorf("op: flatten of a scalar")
			}
			return one(tensor.Of(in[0].DType, s[0], s[1:].Numel())), nil
		},
		Grad:    gradReshape,
		ONNX:    "Flatten",
		Integer: passCodes,
	})
}

// wantBytes returns an error unless the elements of s are whole bytes.
func wantBytes(s tensor.Spec) error {
	if s.DType == tensor.Invalid || s.DType == tensor.B1 {
		return fmt.Errorf("op: elements of type %v cannot be moved", s.DType)
	}
	return nil
}

// gradReshape gives the gradient the shape of the input.
func gradReshape(g *graph.Graph, n *graph.Node, d []graph.Value) []graph.Value {
	return []graph.Value{g.Apply(backend.Reshape{Shape: tensor.NewDims(n.In[0].Shape()...)}, d[0])}
}

// passCodes is the integer form of operations that move elements about: they
// work on codes as on any number, and scale and zero point stay, if there is
// one of each.
var passCodes = &graph.IntegerDef{Pass: func(r *graph.Rewrite, n *graph.Node) (graph.Codes, bool) {
	c, ok := r.Codes(n.In[0])
	if !ok || !perTensor(c) {
		return graph.Codes{}, false
	}
	in := []graph.Value{c.Value}
	for _, v := range n.In[1:] {
		in = append(in, r.Float(v))
	}
	out := r.Dst.ApplyNamed(n.Name, n.Op, in...)
	if len(out) == 0 {
		return graph.Codes{}, false
	}
	c.Value = out[0]
	return c, true
}}
