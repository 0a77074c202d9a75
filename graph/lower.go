package graph

import (
	"fmt"
	"math"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/quant"
	"github.com/goqat/goqat/tensor"
)

// Codes is a quantized tensor: integer codes and what they stand for,
//
//	real = Scale * (code - Zero)
type Codes struct {
	// Value has the codes (int8 or uint8), Scale float32 and Zero int32 one
	// entry, or one a channel.
	Value, Scale, Zero Value
	Scheme             quant.Scheme
	Rule               quant.Rule
}

// Chain is what follows an operation up to the quantizer of its result and is
// folded into the operation's epilogue.
type Chain struct {
	// BN is the batch normalization after the operation in the source graph,
	// nil if there is none.
	BN *Node
	// Lo and Hi are the bounds of the activation, infinite without one.
	Lo, Hi float32
	// Out has scale, zero point, scheme and rule of the result; its Value is
	// absent.
	Out Codes
}

// IntegerDef says how an operation runs on codes. Each function may decline
// by returning false, and the operation then runs on dequantized values.
type IntegerDef struct {
	// Live runs n on the codes of its inputs and returns float outputs: a
	// layer in training whose output range is still being observed.
	Live func(r *Rewrite, n *Node) ([]Value, bool)
	// Deploy runs n and the chain after it from codes to codes, exactly as
	// the converted model does.
	Deploy func(r *Rewrite, n *Node, c Chain) (Codes, bool)
	// Pass runs n on codes and keeps scale and zero point: reshapes, pools.
	Pass func(r *Rewrite, n *Node) (Codes, bool)
	// Rounds says that Pass computes new codes, as average pools do, so that
	// the float model needs a quantizer after the operation with the
	// parameters of its input.
	Rounds bool
}

// Rewrite is a lowering under way, handed to the functions of [IntegerDef].
type Rewrite struct {
	// Dst is the graph being built, Mode what it is for.
	Dst  *Graph
	Mode Mode

	src   *Graph
	float []Value // by source id
	codes []Codes // by source id
	alias []Value // outputs of skipped range updates, by source id
	done  map[*Node]bool
	heads map[*Node]chainNodes
}

type chainNodes struct{ bn, act, q *Node }

// Float returns the unquantized value of v, a value of the source graph, in Dst. It
// dequantizes codes at the first call.
func (r *Rewrite) Float(v Value) Value {
	if v.Absent() {
		return Value{}
	}
	v = r.resolve(v)
	if f := r.float[v.id]; !f.Absent() {
		return f
	}
	if c := r.codes[v.id]; !c.Value.Absent() {
		f := r.Dst.ApplyNamed(v.Name()+".dequantize", backend.DequantizeLinear{Scheme: c.Scheme}, c.Value, c.Scale, c.Zero)
		if len(f) > 0 {
			r.float[v.id] = f[0]
			return f[0]
		}
		return Value{}
	}
	return r.Dst.Fail(fmt.Errorf("graph: %s is used before it is computed", v.Name()))
}

// Codes returns the codes of v, a value of the source graph, if it has any.
func (r *Rewrite) Codes(v Value) (Codes, bool) {
	if v.Absent() {
		return Codes{}, false
	}
	c := r.codes[r.resolve(v).id]
	return c, !c.Value.Absent()
}

func (r *Rewrite) setCodes(v Value, c Codes) {
	r.codes[v.id] = c
	r.Dst.SetCodes(c)
}

func (r *Rewrite) resolve(v Value) Value {
	for !r.alias[v.id].Absent() {
		v = r.alias[v.id]
	}
	return v
}

// Lower returns the graph that computes g in mode m with outermost input
// dimension batch (0 keeps it): it chooses the training or evaluation form of
// operations, drops or keeps quantizers and observers, and, in integer mode,
// rewrites layers to run on codes. Params and states keep their names.
func Lower(g *Graph, m Mode, batch int) (*Graph, error) {
	if g.err != nil {
		return nil, g.err
	}
	if len(g.derivations) > 0 {
		return nil, fmt.Errorf("graph: %s is derived of parameters: the graph is that of a program, lower the model instead", g.derivations[0].Out[0].Name())
	}
	n := len(g.vals)
	r := &Rewrite{Dst: New(), Mode: m, src: g, float: make([]Value, n), codes: make([]Codes, n), alias: make([]Value, n),
		done: map[*Node]bool{}, heads: map[*Node]chainNodes{}}
	r.Dst.gradients = m.Backward
	for i := 1; i < n; i++ {
		r.float[i] = r.leaf(&g.vals[i], batch)
	}
	// Inactive observers and quantizers switched off vanish: what they
	// returned is what they were given.
	for _, n := range g.nodes {
		if u, ok := n.Op.(backend.Ranger); ok && !active(u, m) {
			for j, o := range n.Out {
				r.alias[o.id] = n.In[u.Updates(j)]
			}
			r.done[n] = true
		}
		if _, ok := n.Op.(backend.FakeQuant); ok && m.Quantize == QuantizeOff {
			r.alias[n.Out[0].id] = n.In[0]
			r.done[n] = true
		}
	}
	if m.Deployed() {
		r.findChains()
	}
	for _, n := range g.nodes {
		if !r.done[n] {
			r.node(n)
		}
		if r.Dst.err != nil {
			return nil, r.Dst.err
		}
	}
	for _, o := range g.outputs {
		r.Dst.Output(o.Name, r.Float(o.Value))
	}
	return r.Dst, r.Dst.err
}

func active(u backend.Ranger, m Mode) bool {
	switch m.Ranges {
	case RangesCalibrate:
		return true
	case RangesObserve:
		return !u.CalibrationOnly()
	}
	return false
}

func (r *Rewrite) leaf(v *valueInfo, batch int) Value {
	switch v.kind {
	case Input:
		s := tensor.Spec{DType: v.spec.DType, Shape: v.spec.Shape.Clone()}
		if batch > 0 && len(s.Shape) > 0 {
			s.Shape[0] = batch
		}
		return r.Dst.Input(v.name, s)
	case Param:
		return r.Dst.Param(v.name, v.init)
	case State:
		return r.Dst.State(v.name, v.init)
	case Const:
		return r.Dst.Const(v.name, v.init)
	}
	return Value{}
}

// findChains finds, for each quantizer, the operation whose epilogue it can
// become: op [-> batch norm] [-> clamp] -> quantizer, each used only there.
func (r *Rewrite) findChains() {
	users := make([]int, len(r.src.vals))
	for _, n := range r.src.nodes {
		if r.done[n] {
			continue
		}
		for _, v := range n.In {
			if !v.Absent() {
				users[r.resolve(v).id]++
			}
		}
	}
	for _, o := range r.src.outputs {
		users[r.resolve(o.Value).id]++
	}
	back := func(v Value) *Node {
		v = r.resolve(v)
		n, out := v.Producer()
		if n == nil || out != 0 || users[v.id] != 1 {
			return nil
		}
		return n
	}
	for _, q := range r.src.nodes {
		if _, ok := q.Op.(backend.FakeQuant); !ok || r.done[q] {
			continue
		}
		c := chainNodes{q: q}
		n := back(q.In[0])
		if n != nil {
			if _, ok := n.Op.(backend.Clamper); ok {
				c.act = n
				n = back(n.In[0])
			}
		}
		if n != nil {
			if _, ok := n.Op.(backend.BatchNorm); ok {
				c.bn = n
				n = back(n.In[0])
			}
		}
		if n == nil {
			continue
		}
		if d := Lookup(n.Op.OpName()); d.Integer != nil && d.Integer.Deploy != nil {
			r.heads[n] = c
		}
	}
}

func (r *Rewrite) node(n *Node) {
	d := Lookup(n.Op.OpName())
	integer := r.Mode.Quantize == QuantizeInteger
	if integer {
		if fq, ok := n.Op.(backend.FakeQuant); ok {
			r.quantize(n, fq)
			return
		}
		if d.Integer != nil && r.integer(n, d.Integer) {
			return
		}
	}
	in := make([]Value, len(n.In))
	for i, v := range n.In {
		in[i] = r.Float(v)
	}
	var out []Value
	if d.Mode != nil {
		r.Dst.Scope(n.Name, func() { out = d.Mode(r.Dst, n, in, r.Mode) })
	} else {
		out = r.Dst.ApplyNamed(n.Name, n.Op, in...)
	}
	for i := range min(len(out), len(n.Out)) {
		r.float[n.Out[i].id] = out[i]
	}
}

// integer tries the integer forms of n and reports whether one was taken.
func (r *Rewrite) integer(n *Node, d *IntegerDef) bool {
	if c, ok := r.heads[n]; ok {
		fq := c.q.Op.(backend.FakeQuant)
		ch := Chain{BN: c.bn, Lo: float32(math.Inf(-1)), Hi: float32(math.Inf(1)), Out: r.params(c.q, fq)}
		if c.act != nil {
			ch.Lo, ch.Hi = c.act.Op.(backend.Clamper).Bounds()
		}
		if codes, ok := d.Deploy(r, n, ch); ok {
			r.setCodes(c.q.Out[0], codes)
			for _, m := range []*Node{c.bn, c.act, c.q} {
				if m != nil {
					r.done[m] = true
				}
			}
			return true
		}
	}
	if d.Pass != nil {
		if c, ok := d.Pass(r, n); ok {
			r.setCodes(n.Out[0], c)
			return true
		}
	}
	if d.Live != nil {
		if out, ok := d.Live(r, n); ok {
			for i := range min(len(out), len(n.Out)) {
				r.float[n.Out[i].id] = out[i]
			}
			return true
		}
	}
	return false
}

func (r *Rewrite) params(q *Node, fq backend.FakeQuant) Codes {
	return Codes{Scale: r.Float(q.In[1]), Zero: r.Float(q.In[2]), Scheme: fq.Scheme, Rule: fq.Rule}
}

// quantize lowers a quantizer to codes. Quantizing codes that already have
// these very parameters changes nothing and is left out.
func (r *Rewrite) quantize(n *Node, fq backend.FakeQuant) {
	p := r.params(n, fq)
	if c, ok := r.Codes(n.In[0]); ok && c.Scale == p.Scale && c.Zero == p.Zero && c.Scheme == p.Scheme && c.Rule == p.Rule {
		r.codes[n.Out[0].id] = c
		return
	}
	op := backend.QuantizeLinear{Rule: fq.Rule, Scheme: fq.Scheme, Learn: fq.Learn && r.Mode.Train && r.Mode.Ranges != RangesFrozen}
	out := r.Dst.ApplyNamed(n.Name, op, r.Float(n.In[0]), p.Scale, p.Zero)
	if len(out) > 0 {
		p.Value = out[0]
		r.setCodes(n.Out[0], p)
	}
}

// BNInputs returns the lowered gamma, beta, running mean and running variance
// of a batch normalization of the source graph.
func (r *Rewrite) BNInputs(bn *Node) (gamma, beta, mean, variance Value) {
	return r.Float(bn.In[1]), r.Float(bn.In[2]), r.Float(bn.In[3]), r.Float(bn.In[4])
}
