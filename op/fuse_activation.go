package op

import (
	"math"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/graph"
	"github.com/goqat/goqat/quant"
	"github.com/goqat/goqat/tensor"
)

// activation is [batch norm ->] [clamp ->] quantizer, with observers of the
// quantizer's input, in a graph lowered for training.
type activation struct {
	bn, act, q *graph.Node // bn or act may be nil
	x          graph.Value // what comes in
	lo, hi     float32
	ends       graph.Value // range of the clamped values, in the copy
	affine     graph.Value // in the copy
	// delayed says that the scale does not depend on the range, which the
	// quantizer then finds in its own pass.
	delayed bool
}

// fuseActivations makes batch normalization, clamp and quantizer one
// operation. The range that observers follow comes from that of each channel
// of the input, exactly: normalization and clamp are monotone in every step.
func fuseActivations(g *graph.Graph, supports graph.Supports) (*graph.Graph, error) {
	users := map[int][]*graph.Node{}
	for _, n := range g.Nodes() {
		for _, v := range n.In {
			users[v.ID()] = append(users[v.ID()], n)
		}
	}
	outputs := map[int]bool{}
	for _, o := range g.Outputs() {
		outputs[o.Value.ID()] = true
	}
	at := map[*graph.Node]*activation{} // by the nodes that it replaces
	for _, n := range g.Nodes() {
		if a := findActivation(n, users, outputs, supports); a != nil {
			at[n] = a
			if a.bn != nil {
				at[a.bn] = a
			}
			if a.act != nil {
				at[a.act] = a
			}
			v := n.In[0]
			for _, u := range users[v.ID()] {
				at[u] = a
			}
		}
	}
	if len(at) == 0 {
		return g, nil
	}
	c := graph.NewCopy(g)
	for _, n := range g.Nodes() {
		if a := at[n]; a != nil {
			a.emit(c, n)
		} else {
			c.Node(n)
		}
		if err := c.Dst.Err(); err != nil {
			return nil, err
		}
	}
	c.Outputs()
	return c.Dst, c.Dst.Err()
}

// findActivation returns the activation that ends in q, nil if there is none.
func findActivation(q *graph.Node, users map[int][]*graph.Node, outputs map[int]bool, supports graph.Supports) *activation {
	o, ok := q.Op.(backend.QuantizeLinear)
	if !ok || o.Scheme.Grain.Kind != quant.PerTensor {
		return nil
	}
	a := &activation{q: q, x: q.In[0], lo: float32(math.Inf(-1)), hi: float32(math.Inf(1))}
	if outputs[a.x.ID()] {
		return nil
	}
	for _, u := range users[a.x.ID()] {
		if m, ok := u.Op.(backend.ObserveMinMax); u != q && (!ok || m.Grain.Kind != quant.PerTensor) {
			return nil
		}
	}
	// before returns the producer of a.x, whose only user is by.
	before := func(by *graph.Node) *graph.Node {
		n, out := a.x.Producer()
		if n == nil || out != 0 || outputs[a.x.ID()] || by != q && len(users[a.x.ID()]) != 1 {
			return nil
		}
		return n
	}
	last := q
	if n := before(last); n != nil {
		if c, ok := n.Op.(backend.Clamper); ok {
			a.act, last = n, n
			a.lo, a.hi = c.Bounds()
			a.x = n.In[0]
		}
	}
	if n := before(last); n != nil {
		if _, ok := n.Op.(backend.BatchNormTrain); ok {
			a.bn = n
			a.x = n.In[0]
		}
	}
	x := a.x.Spec()
	if s := q.In[1]; a.bn == nil && s.Kind() == graph.State {
		a.delayed = len(users[q.In[0].ID()]) > 1 && users[q.In[0].ID()][0] == q
	}
	if a.bn == nil && a.act == nil && !a.delayed || x.DType != tensor.F32 || x.Numel() == 0 {
		return nil
	}
	one, zero := tensor.Of(tensor.F32, 1), tensor.Of(tensor.I32, 1)
	in := []tensor.Spec{x, one, zero}
	ends := backend.Op(backend.ClampRange{})
	grad := []tensor.Spec{x, {DType: tensor.B1, Shape: x.Shape}, x, one, zero}
	if a.bn != nil {
		c := tensor.Of(tensor.F32, x.Shape.Last())
		affine := tensor.Of(tensor.F32, 4, x.Shape.Last())
		in, grad = append(in, affine, c, c), append(grad, affine, c)
		ends = backend.BatchNormAffine{}
	}
	if !supports(ends, x) || !supports(a.op(), in...) || !supports(backend.QuantizeActivationGrad{}, grad...) {
		return nil
	}
	return a
}

func (a *activation) op() backend.QuantizeActivation {
	o := a.q.Op.(backend.QuantizeLinear)
	return backend.QuantizeActivation{Rule: o.Rule, Scheme: o.Scheme, Lo: a.lo, Hi: a.hi, Learn: o.Learn}
}

// emit appends what stands for n, one of the nodes of a or an observer.
func (a *activation) emit(c *graph.Copy, n *graph.Node) {
	value := func(v graph.Value) graph.Value { return c.Value(v) }
	switch {
	case n == a.bn:
		bn := n.Op.(backend.BatchNormTrain)
		op := backend.BatchNormAffine{Eps: bn.Eps, Momentum: bn.Momentum, Lo: a.lo, Hi: a.hi}
		out := c.Dst.ApplyNamed(n.Name, op, value(n.In[0]), value(n.In[1]), value(n.In[2]), value(n.In[3]), value(n.In[4]))
		if len(out) == 0 {
			return
		}
		a.affine, a.ends = out[0], out[1]
		c.Set(n.Out[3], out[2])
		c.Set(n.Out[4], out[3])
	case n == a.act:
		if a.bn == nil && !a.delayed {
			a.ends = c.Dst.ApplyNamed(n.Name+".range", backend.ClampRange{Lo: a.lo, Hi: a.hi}, value(a.x))[0]
		}
	case n == a.q:
		in := []graph.Value{value(a.x), value(n.In[1]), value(n.In[2])}
		if a.bn != nil {
			in = append(in, a.affine, value(a.bn.In[1]), value(a.bn.In[2]))
		}
		out := c.Dst.ApplyNamed(n.Name, a.op(), in...)
		for i, v := range out[:min(2, len(out))] {
			c.Set(n.Out[i], v)
			c.Codes(n.Out[i])
		}
		if a.delayed && len(out) > 2 {
			a.ends = out[2]
		}
	default: // An observer: the ends of the range are all that it looks at.
		for i, v := range c.Dst.ApplyNamed(n.Name, n.Op, a.ends, value(n.In[1]), value(n.In[2])) {
			c.Set(n.Out[i], v)
		}
	}
}
