package graph

import (
	"slices"

	"github.com/goqat/goqat/tensor"
)

// recomputing makes values of the forward pass again where the backward pass
// wants them, from what is kept anyway, instead of keeping them.
type recomputing struct {
	g     *Graph
	first int // nodes before the backward pass
	again map[int]Value
	made  map[*Node]bool
}

func newRecomputing(g *Graph) *recomputing {
	return &recomputing{g: g, first: len(g.nodes), again: map[int]Value{}, made: map[*Node]bool{}}
}

// node returns n with those of its inputs and outputs that are worth it
// computed again.
func (r *recomputing) node(n *Node) *Node {
	m := &Node{Op: n.Op, Name: n.Name, In: slices.Clone(n.In), Out: slices.Clone(n.Out)}
	for i, v := range m.In {
		m.In[i] = r.value(v)
	}
	for i, v := range m.Out {
		m.Out[i] = r.value(v)
	}
	return m
}

// value returns what has the contents of v in the backward pass.
func (r *recomputing) value(v Value) Value {
	n, _ := v.Producer()
	if n == nil || !Lookup(n.Op.OpName()).Recompute {
		return v
	}
	if w, ok := r.again[v.id]; ok {
		return w
	}
	if kept := r.kept(v, map[int]bool{}); 2*kept > v.Spec().Bytes() {
		r.again[v.id] = v
		return v
	}
	in := make([]Value, len(n.In))
	for i, w := range n.In {
		in[i] = r.value(w)
	}
	out := r.g.ApplyNamed(n.Name+".again", n.Op, in...)
	for i, w := range out {
		r.again[n.Out[i].id] = w
	}
	if len(out) == 0 {
		return v
	}
	m, _ := out[0].Producer()
	m.Again, r.made[m] = true, true
	return r.again[v.id]
}

// kept returns the bytes of floats that must be kept so that v can be
// computed again. Codes count nothing: the gradients of the layers that take
// them want them, too.
func (r *recomputing) kept(v Value, seen map[int]bool) int {
	n, _ := v.Producer()
	if n == nil || seen[v.id] {
		return 0
	}
	seen[v.id] = true
	if !Lookup(n.Op.OpName()).Recompute {
		if d := v.DType(); d.Code() || d == tensor.B1 {
			return 0
		}
		return v.Spec().Bytes()
	}
	sum := 0
	for _, w := range n.In {
		sum += r.kept(w, seen)
	}
	return sum
}

// prune drops the nodes that no gradient asked for in the end.
func (r *recomputing) prune() {
	used := make([]bool, len(r.g.vals))
	for i := len(r.g.nodes) - 1; i >= r.first; i-- {
		n := r.g.nodes[i]
		if r.made[n] && !slices.ContainsFunc(n.Out, func(v Value) bool { return used[v.id] }) {
			continue
		}
		delete(r.made, n)
		for _, v := range n.In {
			used[v.id] = true
		}
	}
	r.g.nodes = slices.DeleteFunc(r.g.nodes, func(n *Node) bool { return r.made[n] })
}
