package qat

import (
	"context"
	"fmt"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/graph"
	"github.com/goqat/goqat/program"
	"github.com/goqat/goqat/quant"
	"github.com/goqat/goqat/tensor"
)

// FromQDQ turns a model of QuantizeLinear-DequantizeLinear pairs, as ONNX
// files hold it, into a prepared graph with those scales: it can be trained
// further or converted. Weights stored as codes become params with exactly
// the values of their codes. The config is what the file can tell.
func FromQDQ(ctx context.Context, g *graph.Graph, b backend.Backend) (*graph.Graph, *Config, error) {
	// Constants that feed a pair, such as a DequantizeLinear of stored codes,
	// are looked at through their producers; everything else is copied.
	c := &qdqReader{Copy: graph.NewCopy(g), same: map[string]graph.Value{}}
	cfg := Default()
	found := false
	lone := unpaired(g)
	for _, n := range g.Nodes() {
		dq, ok := n.Op.(backend.DequantizeLinear)
		if !ok {
			if _, q := n.Op.(backend.QuantizeLinear); !q || lone[n] {
				c.Node(n)
			}
			continue
		}
		src := n.In[0]
		switch p, _ := src.Producer(); {
		case p != nil:
			q, ok := p.Op.(backend.QuantizeLinear)
			if !ok {
				c.Node(n)
				continue
			}
			if p.In[1] != n.In[1] && !sameContents(p.In[1], n.In[1]) {
				return nil, nil, fmt.Errorf("qat: %s: quantize and dequantize have different scales", n.Name)
			}
			found = true
			cfg.Activations.Scheme = q.Scheme
			out := c.Dst.ApplyNamed(n.Name+".fake", backend.FakeQuant{Rule: q.Rule, Scheme: q.Scheme}, c.Value(p.In[0]), c.stored(n.In[1]), c.zeros(n, p.In))
			if len(out) > 0 {
				c.Set(n.Out[0], out[0])
			}
		case src.DType().Code():
			v, err := c.weight(n, dq)
			if err != nil {
				return nil, nil, err
			}
			found = true
			c.Set(n.Out[0], v)
		case src.DType() == tensor.I32:
			v, err := biasFromCodes(ctx, c.Copy, n, b)
			if err != nil {
				return nil, nil, err
			}
			c.Set(n.Out[0], v)
		default:
			c.Node(n)
		}
		if err := c.Dst.Err(); err != nil {
			return nil, nil, fmt.Errorf("qat: %w", err)
		}
	}
	if !found {
		return nil, nil, fmt.Errorf("qat: the model is float: run goqat ptq or goqat qat on it first")
	}
	c.Outputs()
	return c.Dst, cfg, c.Dst.Err()
}

// unpaired returns the quantize nodes whose codes something other than a
// dequantize node uses.
func unpaired(g *graph.Graph) map[*graph.Node]bool {
	lone := map[*graph.Node]bool{}
	mark := func(v graph.Value) {
		if n, _ := v.Producer(); n != nil {
			lone[n] = true
		}
	}
	for _, n := range g.Nodes() {
		if _, ok := n.Op.(backend.DequantizeLinear); ok {
			continue
		}
		for _, v := range n.In {
			mark(v)
		}
	}
	for _, o := range g.Outputs() {
		mark(o.Value)
	}
	return lone
}

// qdqReader is a FromQDQ under way. Scales and zero points of equal contents
// become one value, so that lowering sees which codes have one grid.
type qdqReader struct {
	*graph.Copy
	same map[string]graph.Value
}

// stored returns the value in Dst for a stored scale or zero point.
func (c *qdqReader) stored(v graph.Value) graph.Value {
	t := v.Init()
	if t == nil {
		return c.Value(v)
	}
	key := t.Spec().String() + string(t.Bytes())
	if w, ok := c.same[key]; ok {
		return w
	}
	w := c.Value(v)
	c.same[key] = w
	return w
}

// zeros returns the zero point of a pair in Dst: that of n, that of its
// partner, or zeros like the scale, which an absent one stands for.
func (c *qdqReader) zeros(n *graph.Node, partner []graph.Value) graph.Value {
	for _, in := range [][]graph.Value{n.In, partner} {
		if len(in) > 2 && !in[2].Absent() {
			return c.stored(in[2])
		}
	}
	z := tensor.New(tensor.Spec{DType: tensor.I32, Shape: n.In[1].Shape()})
	key := z.Spec().String() + string(z.Bytes())
	if w, ok := c.same[key]; ok {
		return w
	}
	w := c.Dst.Const(n.Name+".zero", z)
	c.same[key] = w
	return w
}

func sameContents(a, b graph.Value) bool {
	x, y := a.Init(), b.Init()
	return x != nil && y != nil && x.Spec().Equal(y.Spec()) && string(x.Bytes()) == string(y.Bytes())
}

// weight makes a param of the real values of stored codes, and its
// quantizer.
func (c *qdqReader) weight(n *graph.Node, dq backend.DequantizeLinear) (graph.Value, error) {
	z := c.zeros(n, nil)
	codes, scale, zero := n.In[0].Init(), n.In[1].Init(), z.Init()
	if codes == nil || scale == nil || zero == nil {
		return graph.Value{}, fmt.Errorf("qat: %s: the codes, scale and zero point of a weight must be stored", n.Name)
	}
	s := dq.Scheme
	if codes.DType() != tensor.I8 {
		return graph.Value{}, fmt.Errorf("qat: %s: weights of type %v: want int8 with zero point 0", n.Name, codes.DType())
	}
	for i, z := range zero.I32() {
		if z != 0 {
			return graph.Value{}, fmt.Errorf("qat: %s: weight zero point %d is %d, want 0", n.Name, i, z)
		}
	}
	s.Signed, s.Symmetric, s.Bits, s.Narrow = true, true, 8, true
	for _, q := range codes.I8() {
		if q == -128 {
			s.Narrow = false
		}
	}
	l, err := s.Layout(codes.Shape())
	if err != nil {
		return graph.Value{}, fmt.Errorf("qat: %s: %w", n.Name, err)
	}
	w := tensor.New(tensor.Spec{DType: tensor.F32, Shape: codes.Shape()})
	quant.DequantizeCodes(w.F32(), codes.I8(), scale.F32(), zero.I32(), l, 0, codes.Numel())
	v := c.Dst.Param(n.Name+".weight", w)
	out := c.Dst.ApplyNamed(n.Name+".fake", backend.FakeQuant{Rule: quant.ONNX, Scheme: s}, v, c.stored(n.In[1]), z)
	if len(out) == 0 {
		return graph.Value{}, c.Dst.Err()
	}
	return out[0], nil
}

// biasFromCodes makes a param of the real values of an int32 bias.
func biasFromCodes(ctx context.Context, c *graph.Copy, n *graph.Node, b backend.Backend) (graph.Value, error) {
	sub := graph.New()
	var in []graph.Value
	for _, v := range n.In {
		if v.Absent() {
			in = append(in, graph.Value{})
			continue
		}
		if v.Init() == nil {
			return graph.Value{}, fmt.Errorf("qat: %s: an int32 bias must be stored", n.Name)
		}
		in = append(in, sub.Const(v.Name(), v.Init()))
	}
	sub.Output("bias", sub.Apply(n.Op, in...))
	p, err := program.Compile(ctx, sub, program.Options{Backend: b, Lowered: true})
	if err != nil {
		return graph.Value{}, fmt.Errorf("qat: %s: %w", n.Name, err)
	}
	defer p.Close()
	if err := p.Run(ctx); err != nil {
		return graph.Value{}, fmt.Errorf("qat: %s: %w", n.Name, err)
	}
	t, err := p.OutputTensor(ctx, "bias")
	if err != nil {
		return graph.Value{}, fmt.Errorf("qat: %s: %w", n.Name, err)
	}
	return c.Dst.Param(n.Name+".bias", t), nil
}
