package graph

import (
	"fmt"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/tensor"
)

// sum is the operation that adds two gradients of one value; package op sets
// it, so that this package names no operation.
var sum backend.Op

// SetSum tells the package which operation adds two tensors of one shape.
// Package op calls it from init.
func SetSum(op backend.Op) { sum = op }

// Backward appends the reverse-mode gradient of the scalar loss to g and
// returns the gradient of each value of wrt, the zero Value where the loss
// does not depend on it.
func (g *Graph) Backward(loss Value, wrt ...Value) []Value {
	return g.backward(nil, loss, wrt)
}

// BackwardRecompute is [Graph.Backward] for little memory: values that
// gradients need and that operations marked [Def].Recompute make from codes
// are computed again, with the same bits, where they are needed.
func (g *Graph) BackwardRecompute(loss Value, wrt ...Value) []Value {
	r := newRecomputing(g)
	out := g.backward(r, loss, wrt)
	if g.err == nil {
		r.prune()
	}
	return out
}

func (g *Graph) backward(r *recomputing, loss Value, wrt []Value) []Value {
	if g.err != nil {
		return nil
	}
	if s := loss.Spec(); loss.g != g || s.Numel() != 1 || s.DType != tensor.F32 && s.DType != tensor.F64 {
		g.Fail(fmt.Errorf("graph: the loss must be one float, not %v", s))
		return nil
	}
	needed := g.dependents(wrt)
	grads := make(map[int]Value)
	one := tensor.New(loss.Spec())
	if one.DType() == tensor.F64 {
		one.F64()[0] = 1
	} else {
		one.F32()[0] = 1
	}
	grads[loss.id] = g.Const("one", one)
	nodes := g.nodes
	for i := len(nodes) - 1; i >= 0; i-- {
		n := nodes[i]
		dOut := make([]Value, len(n.Out))
		reached, wanted := false, false
		for j, o := range n.Out {
			if d, ok := grads[o.id]; ok {
				dOut[j], reached = d, true
			}
		}
		for _, v := range n.In {
			wanted = wanted || needed[v.id]
		}
		if !reached || !wanted {
			continue
		}
		d := Lookup(n.Op.OpName())
		if d.Grad == nil {
			g.Fail(fmt.Errorf("graph: node %s: %s has no gradient: %s", n.Name, n.Op.OpName(), d.NoGrad))
			return nil
		}
		m := n
		if r != nil {
			m = r.node(n)
		}
		dIn := d.Grad(g, m, dOut)
		if g.err != nil {
			return nil
		}
		for j, dv := range dIn {
			if dv.Absent() || n.In[j].Absent() || !needed[n.In[j].id] {
				continue
			}
			if !dv.Shape().Equal(n.In[j].Shape()) {
				g.Fail(fmt.Errorf("graph: node %s: gradient of input %d is %v, the input %v", n.Name, j, dv.Spec(), n.In[j].Spec()))
				return nil
			}
			id := n.In[j].id
			if old, ok := grads[id]; ok {
				dv = g.Apply(sum, old, dv)
			}
			grads[id] = dv
		}
	}
	out := make([]Value, len(wrt))
	for i, v := range wrt {
		out[i] = grads[v.id]
	}
	return out
}

// dependents marks wrt and every value computed from them.
func (g *Graph) dependents(wrt []Value) []bool {
	m := make([]bool, len(g.vals))
	for _, v := range wrt {
		m[v.id] = true
	}
	for _, n := range g.nodes {
		for _, v := range n.In {
			if m[v.id] {
				for _, o := range n.Out {
					m[o.id] = true
				}
				break
			}
		}
	}
	m[0] = false
	return m
}
