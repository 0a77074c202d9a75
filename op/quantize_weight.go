package op

import (
	"errors"
	"fmt"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/graph"
	"github.com/goqat/goqat/quant"
	"github.com/goqat/goqat/tensor"
)

func init() {
	graph.Register(backend.QuantizeWeight{}, graph.Def{
		Infer: func(op backend.Op, in []tensor.Spec) ([]tensor.Spec, error) {
			o := op.(backend.QuantizeWeight)
			if err := want(in, 5, 5); err != nil {
				return nil, err
			}
			err := wantQuantizer(o.Scheme, []tensor.Spec{in[0], in[3], in[4]}, 3)
			if err == nil && !(in[1].Equal(in[3]) && in[2].Equal(in[3])) {
				err = errShapes(in)
			}
			if !(o.Momentum >= 0 && o.Momentum <= 1) {
				err = errors.Join(err, fmt.Errorf("op: momentum %v is not in [0, 1]", o.Momentum))
			}
			if err == nil && !inRows(o.Scheme, in[0].Shape) {
				err = fmt.Errorf("op: channels of %v of %v do not lie one after another", o.Scheme, in[0].Shape)
			}
			return []tensor.Spec{{DType: o.Scheme.DType(), Shape: in[0].Shape}, {DType: tensor.B1, Shape: in[0].Shape}, in[1], in[2], in[3], in[4]}, err
		},
		Grad: func(g *graph.Graph, n *graph.Node, d []graph.Value) []graph.Value {
			if d[0].Absent() || n.Op.(backend.QuantizeWeight).Inside() {
				return []graph.Value{d[0]}
			}
			return []graph.Value{g.Apply(backend.STEGrad{}, d[0], n.Out[1])}
		},
		NoONNX: fusedNoONNX,
	})
	graph.RegisterFusion(fuseWeights)
}

// inRows reports whether the elements of a channel are neighbours and there
// is more than one channel.
func inRows(s quant.Scheme, shape tensor.Shape) bool {
	l, err := s.Layout(shape)
	return err == nil && l.Outer == 1 && l.Channels > 1
}

// fuseWeights makes observer, scale and quantizer of a parameter one
// operation.
func fuseWeights(g *graph.Graph, supports graph.Supports) (*graph.Graph, error) {
	users := map[int]int{}
	for _, n := range g.Nodes() {
		for _, v := range n.In {
			users[v.ID()]++
		}
	}
	type weight struct{ observe, scale, q *graph.Node }
	at := map[*graph.Node]*weight{}
	for _, n := range g.Nodes() {
		q, ok := n.Op.(backend.QuantizeLinear)
		if !ok || q.Learn || n.In[0].Kind() != graph.Param || !inRows(q.Scheme, n.In[0].Shape()) {
			continue
		}
		s, out := n.In[1].Producer()
		if s == nil || out != 0 || n.In[2] != s.Out[min(1, len(s.Out)-1)] {
			continue
		}
		z, ok := s.Op.(backend.ScaleZero)
		if !ok || z.Rule != q.Rule || z.Scheme != q.Scheme {
			continue
		}
		o, out := s.In[0].Producer()
		if o == nil || out != 0 || s.In[1] != o.Out[min(1, len(o.Out)-1)] {
			continue
		}
		m, ok := o.Op.(backend.ObserveMinMax)
		if !ok || m.Grain != q.Scheme.Grain || o.In[0] != n.In[0] || users[o.Out[0].ID()] != 1 || users[o.Out[1].ID()] != 1 || at[s] != nil {
			continue
		}
		if supports(backend.QuantizeWeight{Rule: q.Rule, Scheme: q.Scheme}, n.In[0].Spec(), o.In[1].Spec(), o.In[2].Spec(), s.In[2].Spec(), s.In[3].Spec()) {
			w := &weight{o, s, n}
			at[o], at[s], at[n] = w, w, w
		}
	}
	if len(at) == 0 {
		return g, nil
	}
	c := graph.NewCopy(g)
	for _, n := range g.Nodes() {
		w := at[n]
		switch {
		case w == nil:
			c.Node(n)
		case n == w.observe:
			q := w.q.Op.(backend.QuantizeLinear)
			op := backend.QuantizeWeight{Rule: q.Rule, Scheme: q.Scheme, Momentum: n.Op.(backend.ObserveMinMax).Momentum}
			out := c.Dst.ApplyNamed(w.q.Name, op, c.Value(n.In[0]), c.Value(n.In[1]), c.Value(n.In[2]), c.Value(w.scale.In[2]), c.Value(w.scale.In[3]))
			if len(out) < 6 {
				return nil, c.Dst.Err()
			}
			for i, v := range []graph.Value{w.q.Out[0], w.q.Out[1], n.Out[0], n.Out[1], w.scale.Out[0], w.scale.Out[1]} {
				c.Set(v, out[i])
			}
			c.Codes(w.q.Out[0])
		}
	}
	c.Outputs()
	return c.Dst, c.Dst.Err()
}
