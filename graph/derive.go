package graph

import (
	"fmt"

	"github.com/goqat/goqat/backend"
)

// Derive adds values that hold what op makes of params and states and that
// stay from one run of a program to the next: codes of weights, say, which the
// optimizer makes for the next step. The nodes of g may update them. A program
// makes them by op when they are missing or when what they are made of was
// changed by others; they belong to the program, not to the model. It returns
// nil after an error.
func (g *Graph) Derive(name string, op backend.Op, in ...Value) []Value {
	if g.err != nil {
		return nil
	}
	for _, v := range in {
		if k := v.Kind(); v.g != g || k != Param && k != State {
			g.Fail(fmt.Errorf("graph: %s is derived of %s, which is no parameter or state of the graph", name, v.Name()))
			return nil
		}
	}
	// As a node it would run in every step.
	nodes := len(g.nodes)
	out := g.ApplyNamed(name, op, in...)
	if g.err != nil {
		return nil
	}
	n := g.nodes[nodes]
	g.nodes = g.nodes[:nodes]
	g.derivations = append(g.derivations, n)
	for _, v := range out {
		i := &g.vals[v.id]
		i.kind, i.node = Derived, nil
	}
	return out
}

// Derivations returns what makes derived values, in the order they were added;
// none of it is among the nodes. The caller must not change the slice.
func (g *Graph) Derivations() []*Node { return g.derivations }

// derive copies the derivations of Src.
func (c *Copy) derive() {
	for _, n := range c.Src.derivations {
		in := make([]Value, len(n.In))
		for i, v := range n.In {
			in[i] = c.Value(v)
		}
		for i, v := range c.Dst.Derive(n.Name, n.Op, in...) {
			c.Set(n.Out[i], v)
		}
	}
}
