// Package qat prepares models for quantization-aware training and converts
// them to integers.
//
// [Prepare] puts a quantizer, with its observer, on every tensor that the
// deployed model holds as codes. Training programs compiled from the prepared
// graph run on integers; [Convert] reads the trained scales, never recomputes
// them, and returns the integer model, which gives the same codes bit for
// bit.
package qat

import (
	"fmt"
	"slices"
	"strings"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/graph"
	"github.com/goqat/goqat/quant"
	"github.com/goqat/goqat/tensor"
)

// preparation is a Prepare under way.
type preparation struct {
	*graph.Copy
	c     *Config
	rule  quant.Rule
	users map[int][]*graph.Node // by source value
	isOut map[int]bool
	// params remembers the quantizer of a value of Dst that has one.
	params map[int]placed
	names  layerNames
	// masked are the nodes that add a mask: they stay float.
	masked map[*graph.Node]bool
}

// placed is a quantizer in the graph.
type placed struct {
	scale, zero graph.Value
	op          backend.FakeQuant
}

// Prepare returns g with quantizers where c wants them. Convolution, batch
// normalization and activation stay one unit, quantized at its end. The
// quantizers' scales, zero points and ranges are states (learned scales:
// params) named after the tensors, "block1.0.conv.weight.scale".
func Prepare(g *graph.Graph, c *Config) (*graph.Graph, error) {
	if err := g.Err(); err != nil {
		return nil, err
	}
	if err := c.Validate(); err != nil {
		return nil, err
	}
	rule, err := quant.RuleByName(c.Rule)
	if err != nil {
		return nil, fmt.Errorf("qat: %w", err)
	}
	p := &preparation{Copy: graph.NewCopy(g), c: c, rule: rule, users: map[int][]*graph.Node{}, isOut: map[int]bool{}, params: map[int]placed{}, names: nameLayers(g), masked: map[*graph.Node]bool{}}
	for _, n := range g.Nodes() {
		if _, ok := n.Op.(backend.FakeQuant); ok {
			return nil, fmt.Errorf("qat: the model is prepared already: it has quantizer %s", n.Name)
		}
		p.masked[n] = masks(n)
		for _, v := range n.In {
			if !v.Absent() {
				p.users[v.ID()] = append(p.users[v.ID()], n)
			}
		}
	}
	for _, o := range g.Outputs() {
		p.isOut[o.Value.ID()] = true
	}
	if len(p.names.order) == 0 {
		return nil, fmt.Errorf("qat: the model has no layer to quantize")
	}
	p.place(g.Inputs()...)
	for _, n := range g.Nodes() {
		p.node(n)
		if err := p.Dst.Err(); err != nil {
			return nil, fmt.Errorf("qat: prepare: %w", err)
		}
	}
	p.finish()
	return p.Dst, p.Dst.Err()
}

// finish names the outputs, quantizing those that are still float.
func (p *preparation) finish() {
	for _, o := range p.Src.Outputs() {
		v := p.Value(o.Value)
		n, _ := o.Value.Producer()
		if n != nil && !p.c.FloatOutput && p.quantizable(n) {
			v = p.activation(v, o.Value.Name(), p.c.Activations)
		}
		p.Dst.Output(o.Name, v)
	}
}

// quantizable reports whether n ends in an integer operation: it has a form
// that makes codes, or is part of the unit of one.
func (p *preparation) quantizable(n *graph.Node) bool {
	for n != nil {
		if d := integerDef(n); d != nil {
			return d.Deploy != nil && !p.skipped(n) || d.Pass != nil
		}
		switch n.Op.(type) {
		case backend.BatchNorm, backend.Clamper:
			n, _ = n.In[0].Producer()
		default:
			return false
		}
	}
	return false
}

func integerDef(n *graph.Node) *graph.IntegerDef { return graph.Lookup(n.Op.OpName()).Integer }

// maskBound is what a constant is beyond, to the negative side, that hides
// elements from a softmax: no grid has steps for it and for what it leaves.
const maskBound = -1e9

// masks reports whether n adds a constant that hides elements, as a causal
// mask does.
func masks(n *graph.Node) bool {
	if _, ok := n.Op.(backend.Add); !ok {
		return false
	}
	for _, v := range n.In {
		if v.Kind() == graph.Const && v.DType() == tensor.F32 &&
			slices.ContainsFunc(v.Init().F32(), func(x float32) bool { return x <= maskBound }) {
			return true
		}
	}
	return false
}

func (p *preparation) skipped(n *graph.Node) bool {
	if p.masked[n] {
		return true
	}
	name, ok := p.names.of[n]
	if !ok {
		return false
	}
	skip, _, _ := p.c.layer(name, p.names.first(name), p.names.last(name))
	return skip
}

// node copies n with its inputs quantized when it can run on codes.
func (p *preparation) node(n *graph.Node) {
	d := integerDef(n)
	if d == nil || p.skipped(n) {
		p.Node(n)
		p.place(n.Out...)
		return
	}
	w, a := p.c.Weights, p.c.Activations
	if name, ok := p.names.of[n]; ok {
		_, w, a = p.c.layer(name, p.names.first(name), p.names.last(name))
	}
	in := make([]graph.Value, len(n.In))
	for i, v := range n.In {
		in[i] = p.Value(v)
		if v.Absent() || !v.DType().Float() {
			continue
		}
		switch {
		case isWeight(n, i):
			in[i] = p.weight(n, v, w)
		case i >= 2 && p.names.of[n] != "":
			// The bias: int32 on the grid of input times weight, which the
			// layer's epilogue makes.
		case v.Kind() == graph.Param || v.Kind() == graph.Const:
			in[i] = p.activation(in[i], v.Name(), a)
		}
	}
	out := p.Dst.ApplyNamed(n.Name, n.Op, in...)
	for i := range out {
		p.Set(n.Out[i], out[i])
	}
	if len(out) == 0 {
		return
	}
	q, coded := p.params[in[0].ID()]
	if d.Pass == nil || !coded {
		p.place(n.Out...)
		return
	}
	// The result has the parameters of the input.
	if d.Rounds && d.Deploy != nil && p.rule.Requant == quant.RequantFloat {
		// A mean has a smaller range than its terms: a grid of its own.
		p.place(n.Out...)
		return
	}
	if d.Rounds {
		y := p.Dst.ApplyNamed(n.Out[0].Name()+".quantize", q.op, out[0], q.scale, q.zero)
		if len(y) > 0 {
			out[0] = y[0]
			p.Set(n.Out[0], y[0])
		}
	}
	p.params[out[0].ID()] = q
}

// place puts quantizers on values of the source graph that some layer takes
// as codes. Every later user sees the quantized value, as it does in the
// deployed model.
func (p *preparation) place(vs ...graph.Value) {
	for _, v := range vs {
		if !v.DType().Float() {
			continue
		}
		if q, ok := p.wanted(v); ok {
			p.Set(v, p.activation(p.Value(v), v.Name(), q))
		}
	}
}

// wanted returns the quantizer that the users of v ask for.
func (p *preparation) wanted(v graph.Value) (Quantizer, bool) {
	for _, u := range p.users[v.ID()] {
		d := integerDef(u)
		if d == nil || p.skipped(u) {
			continue
		}
		for i, in := range u.In {
			if in != v || isWeight(u, i) || i >= 2 && p.names.of[u] != "" {
				continue
			}
			if d.Deploy != nil || d.Live != nil {
				a := p.c.Activations
				if name, ok := p.names.of[u]; ok {
					_, _, a = p.c.layer(name, p.names.first(name), p.names.last(name))
				}
				return a, true
			}
			if q, ok := p.wanted(u.Out[0]); ok {
				return q, true
			}
		}
	}
	return Quantizer{}, false
}

// isWeight reports whether input i of n is the weight of a layer.
func isWeight(n *graph.Node, i int) bool {
	v := n.In[i]
	stored := v.Kind() == graph.Param || v.Kind() == graph.Const
	return i == 1 && stored && len(v.Shape()) >= 2 && integerDef(n).Live != nil
}

// activation puts a quantizer on v unless it has one.
func (p *preparation) activation(v graph.Value, name string, q Quantizer) graph.Value {
	if _, ok := p.params[v.ID()]; ok || q.Scheme.IsZero() || v.Absent() {
		return v
	}
	return p.quantizer(v, name, q)
}

// weight puts a quantizer on a weight, one scale an output channel where the
// scheme says so and the layer allows it.
func (p *preparation) weight(n *graph.Node, src graph.Value, q Quantizer) graph.Value {
	v := p.Value(src)
	if _, ok := p.params[v.ID()]; ok || q.Scheme.IsZero() {
		return v
	}
	switch n.Op.(type) {
	case backend.Conv, backend.Gemm:
		q.Scheme.Grain.Axis = 0
	default:
		q.Scheme.Grain = quant.Granularity{Kind: quant.PerTensor}
	}
	y := p.quantizer(v, src.Name(), q)
	// Another layer that shares the weight gets the quantized one.
	p.Set(src, y)
	return y
}

func (p *preparation) quantizer(x graph.Value, name string, q Quantizer) graph.Value {
	count := q.Scheme.Params(x.Shape())
	var y graph.Value
	p.Dst.Scope(name, func() {
		g := p.Dst
		s := tensor.New(tensor.Of(tensor.F32, count))
		for i := range s.F32() {
			s.F32()[i] = 1
		}
		var scale graph.Value
		if q.Learn {
			scale = g.Param("scale", s)
		} else {
			scale = g.State("scale", s)
		}
		zero := g.State("zero", tensor.New(tensor.Of(tensor.I32, count)))
		o := &Observed{G: g, X: x, Scale: scale, Zero: zero, Rule: p.rule, Quantizer: q, Count: count, CalibrationOnly: q.Learn}
		attach := func() (graph.Value, graph.Value) { return observers[q.Observer].Attach(o) }
		if !q.Delayed {
			scale, zero = attach()
		}
		op := backend.FakeQuant{Rule: p.rule, Scheme: q.Scheme, Learn: q.Learn}
		if out := g.ApplyNamed("quantize", op, x, scale, zero); len(out) > 0 {
			y = out[0]
			p.params[y.ID()] = placed{scale, zero, op}
		}
		if q.Delayed {
			attach()
		}
	})
	return y
}

// layerNames names the layers with weights, in order.
type layerNames struct {
	of    map[*graph.Node]string
	order []string
}

func nameLayers(g *graph.Graph) layerNames {
	l := layerNames{of: map[*graph.Node]string{}}
	for _, n := range g.Nodes() {
		if d := integerDef(n); d == nil || len(n.In) < 2 || !isWeight(n, 1) {
			continue
		}
		name := strings.TrimSuffix(n.In[1].Name(), ".weight")
		l.of[n] = name
		l.order = append(l.order, name)
	}
	return l
}

func (l layerNames) first(name string) bool { return len(l.order) > 0 && l.order[0] == name }
func (l layerNames) last(name string) bool {
	return len(l.order) > 0 && l.order[len(l.order)-1] == name
}
