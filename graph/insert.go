package graph

import "slices"

// Hoist moves the nodes from the n-th on, in their order, each directly behind
// the last node that an input of it comes from: what was appended for values
// of long before then runs as soon as they are there.
func (g *Graph) Hoist(n int) {
	moved := slices.Clone(g.nodes[n:])
	g.nodes = g.nodes[:n]
	for _, m := range moved {
		at := 0
		for i := len(g.nodes); i > 0 && at == 0; i-- {
			if slices.ContainsFunc(m.In, func(v Value) bool { p, _ := v.Producer(); return p == g.nodes[i-1] }) {
				at = i
			}
		}
		g.nodes = slices.Insert(g.nodes, at, m)
	}
}

// InsertAfter calls add, which appends nodes, moves them behind the n-th
// node, and has the nodes behind them and the outputs of g read new instead of
// old, as pairs that add returns. It returns the number of nodes.
func (g *Graph) InsertAfter(n int, add func() (old, new []Value)) int {
	end := len(g.nodes)
	old, with := add()
	if g.err != nil {
		return 0
	}
	added := slices.Clone(g.nodes[end:])
	g.nodes = slices.Insert(g.nodes[:end], n+1, added...)
	for i, o := range old {
		for _, m := range g.nodes[n+1+len(added):] {
			for j, v := range m.In {
				if v == o {
					m.In[j] = with[i]
				}
			}
		}
		for j := range g.outputs {
			if g.outputs[j].Value == o {
				g.outputs[j].Value = with[i]
			}
		}
	}
	return len(added)
}
