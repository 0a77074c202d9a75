package program

import (
	"context"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/graph"
	"github.com/goqat/goqat/tensor"
)

// Fold returns g with every node that depends on constants alone replaced by
// its value, computed on b. Params and states of g count as constants: the
// result is a model with all its numbers in it, ready to be written.
func Fold(ctx context.Context, g *graph.Graph, b backend.Backend) (*graph.Graph, error) {
	if err := g.Err(); err != nil {
		return nil, err
	}
	fixed := map[int]bool{}
	for _, k := range []graph.Kind{graph.Const, graph.Param, graph.State} {
		for _, v := range g.Values(k) {
			fixed[v.ID()] = true
		}
	}
	folded := map[*graph.Node]bool{}
	for _, n := range g.Nodes() {
		all := true
		for _, v := range n.In {
			all = all && (v.Absent() || fixed[v.ID()])
		}
		if u, ok := n.Op.(backend.Updater); ok {
			for j := range n.Out {
				all = all && u.Updates(j) < 0
			}
		}
		if !all {
			continue
		}
		folded[n] = true
		for _, o := range n.Out {
			fixed[o.ID()] = true
		}
	}
	wanted := map[int]bool{}
	for _, n := range g.Nodes() {
		if folded[n] {
			continue
		}
		for _, v := range n.In {
			wanted[v.ID()] = true
		}
	}
	for _, o := range g.Outputs() {
		wanted[o.Value.ID()] = true
	}
	values, err := evaluate(ctx, g, b, folded, wanted)
	if err != nil {
		return nil, err
	}
	return rebuild(g, folded, values)
}

// evaluate runs the folded nodes and returns the results that others want.
func evaluate(ctx context.Context, g *graph.Graph, b backend.Backend, folded map[*graph.Node]bool, wanted map[int]bool) (map[int]*tensor.Tensor, error) {
	sub := graph.New()
	m := map[int]graph.Value{}
	for _, k := range []graph.Kind{graph.Const, graph.Param, graph.State} {
		for _, v := range g.Values(k) {
			m[v.ID()] = sub.Const(v.Name(), v.Init())
		}
	}
	names := map[int]string{}
	for _, n := range g.Nodes() {
		if !folded[n] {
			continue
		}
		out := apply(sub, n, m)
		for i, o := range n.Out {
			if wanted[o.ID()] && i < len(out) {
				names[o.ID()] = n.Name + "#" + o.Name()
				sub.Output(names[o.ID()], out[i])
			}
		}
	}
	p, err := Compile(ctx, sub, Options{Backend: b, Lowered: true})
	if err != nil {
		return nil, err
	}
	if err := p.Run(ctx); err != nil {
		return nil, err
	}
	values := map[int]*tensor.Tensor{}
	for id, name := range names {
		t, err := p.OutputTensor(ctx, name)
		if err != nil {
			return nil, err
		}
		values[id] = t
	}
	return values, nil
}

func rebuild(g *graph.Graph, folded map[*graph.Node]bool, values map[int]*tensor.Tensor) (*graph.Graph, error) {
	dst := graph.New()
	m := map[int]graph.Value{}
	for _, v := range g.Inputs() {
		m[v.ID()] = dst.Input(v.Name(), v.Spec())
	}
	for _, k := range []graph.Kind{graph.Const, graph.Param, graph.State} {
		for _, v := range g.Values(k) {
			m[v.ID()] = dst.Const(v.Name(), v.Init())
		}
	}
	for _, n := range g.Nodes() {
		if !folded[n] {
			apply(dst, n, m)
			continue
		}
		for _, o := range n.Out {
			if t := values[o.ID()]; t != nil {
				m[o.ID()] = dst.Const(o.Name(), t)
			}
		}
	}
	for _, n := range g.Nodes() {
		for _, o := range n.Out {
			c, ok := g.CodesOf(o)
			if v := m[o.ID()]; ok && !v.Absent() {
				c.Value, c.Scale, c.Zero = v, m[c.Scale.ID()], m[c.Zero.ID()]
				dst.SetCodes(c)
			}
		}
	}
	for _, o := range g.Outputs() {
		dst.Output(o.Name, m[o.Value.ID()])
	}
	return dst, dst.Err()
}

// apply repeats n in dst and records its outputs in m.
func apply(dst *graph.Graph, n *graph.Node, m map[int]graph.Value) []graph.Value {
	in := make([]graph.Value, len(n.In))
	for i, v := range n.In {
		in[i] = m[v.ID()]
	}
	out := dst.ApplyNamed(n.Name, n.Op, in...)
	for i := range out {
		m[n.Out[i].ID()] = out[i]
	}
	return out
}
