package op

import (
	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/graph"
	"github.com/goqat/goqat/tensor"
)

func init() { graph.RegisterUpdateFusion(fuseOptimizer) }

// codedWeight is a parameter whose codes its optimizer can make.
type codedWeight struct {
	quantize, update *graph.Node
	codes            []graph.Value // codes, least, greatest in the new graph
}

// withCodes returns the operation of optimizer u that makes codes too, and
// those of its inputs that u has: absent ones at the end are there.
func withCodes(u *graph.Node, q backend.QuantizeWeight) (backend.Op, []graph.Value, bool) {
	o, ok := u.Op.(backend.WeightOptimizer)
	if !ok {
		return nil, nil, false
	}
	op, inputs := o.Quantizing(q.Rule, q.Scheme)
	in := make([]graph.Value, inputs)
	copy(in, u.In)
	return op, in, true
}

// fuseOptimizer lets optimizers make the codes of their parameters for the
// next step: the quantizer's place takes the adoption of the range.
func fuseOptimizer(g *graph.Graph, supports graph.Supports) (*graph.Graph, error) {
	at := map[*graph.Node]*codedWeight{}
	for _, w := range codedWeights(g, supports) {
		at[w.quantize], at[w.update] = w, w
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
		case n == w.quantize:
			q := n.Op.(backend.QuantizeWeight)
			w.codes = c.Dst.Derive(n.Name+".codes", backend.WeightCodes{Rule: q.Rule, Scheme: q.Scheme}, c.Value(n.In[0]))
			if len(w.codes) < 3 {
				return nil, c.Dst.Err()
			}
			in := []graph.Value{w.codes[1], w.codes[2]}
			for _, v := range n.In[1:] {
				in = append(in, c.Value(v))
			}
			c.Set(n.Out[0], w.codes[0])
			for i, v := range c.Dst.ApplyNamed(n.Name, backend.AdoptRange{Rule: q.Rule, Scheme: q.Scheme}, in...) {
				c.Set(n.Out[2+i], v)
			}
			c.Codes(n.Out[0])
		default:
			op, in, _ := withCodes(n, w.quantize.Op.(backend.QuantizeWeight))
			for i, v := range in {
				in[i] = c.Value(v)
			}
			for i, v := range c.Dst.ApplyNamed(n.Name, op, append(in, w.codes...)...) {
				if i >= 3 {
					c.Set(n.Out[i-3], v)
				}
			}
		}
	}
	c.Outputs()
	return c.Dst, c.Dst.Err()
}

// codedWeights finds the parameters that have one quantizer, whose codes no
// value of theirs can be outside of, and then, after all that reads the codes,
// one optimizer.
func codedWeights(g *graph.Graph, supports graph.Supports) []*codedWeight {
	last, outputs := map[int]int{}, map[int]bool{}
	quantizers, updates := map[int][]*graph.Node{}, map[int][]*graph.Node{}
	place := map[*graph.Node]int{}
	for i, n := range g.Nodes() {
		place[n] = i
		for _, v := range n.In {
			last[v.ID()] = i
		}
		if _, ok := n.Op.(backend.QuantizeWeight); ok {
			quantizers[n.In[0].ID()] = append(quantizers[n.In[0].ID()], n)
		}
		if u, ok := n.Op.(backend.Updater); ok {
			for j := range n.Out {
				if k := u.Updates(j); k >= 0 {
					updates[n.In[k].ID()] = append(updates[n.In[k].ID()], n)
				}
			}
		}
	}
	for _, o := range g.Outputs() {
		outputs[o.Value.ID()] = true
	}
	var ws []*codedWeight
	for _, p := range g.Values(graph.Param) {
		qs, us := quantizers[p.ID()], updates[p.ID()]
		if len(qs) != 1 || len(us) != 1 || p.DType() != tensor.F32 || p.Spec().Numel() == 0 {
			continue
		}
		n, u := qs[0], us[0]
		q := n.Op.(backend.QuantizeWeight)
		op, taken, ok := withCodes(u, q)
		_, masked := last[n.Out[1].ID()]
		codes := n.Out[0].ID()
		if !ok || u.In[0] != p || !q.Inside() || masked || outputs[codes] || outputs[n.Out[1].ID()] || last[codes] >= place[u] || place[n] >= place[u] {
			continue
		}
		made := []tensor.Spec{n.Out[0].Spec(), n.Out[2].Spec(), n.Out[3].Spec()}
		var in, adopted []tensor.Spec
		for _, v := range taken {
			in = append(in, v.Spec())
		}
		for _, v := range n.In[1:] {
			adopted = append(adopted, v.Spec())
		}
		if supports(op, append(in, made...)...) && supports(backend.WeightCodes{Rule: q.Rule, Scheme: q.Scheme}, p.Spec()) &&
			supports(backend.AdoptRange{Rule: q.Rule, Scheme: q.Scheme}, append(made[1:], adopted...)...) {
			ws = append(ws, &codedWeight{quantize: n, update: u})
		}
	}
	return ws
}
