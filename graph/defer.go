package graph

import (
	"slices"

	"github.com/goqat/goqat/backend"
)

// DeferUpdates moves updates of ranges and scales behind the last node that
// still reads what they replace, to the end of g: quantizers with delayed
// scales use those of the steps before. It returns how many of the first n
// nodes have moved.
func (g *Graph) DeferUpdates(n int) (moved int) {
	last := map[int]int{} // value id -> the last node that reads it
	for i, node := range g.nodes {
		for _, v := range node.In {
			last[v.id] = i
		}
	}
	late := map[*Node]bool{}
	fresh := map[int]bool{} // results of nodes that move
	for i, node := range g.nodes {
		u, ok := node.Op.(backend.Ranger)
		if !ok {
			continue
		}
		move := slices.ContainsFunc(node.In, func(v Value) bool { return fresh[v.id] })
		for j := range node.Out {
			k := u.Updates(j)
			move = move || k >= 0 && last[node.In[k].id] > i
		}
		if !move {
			continue
		}
		late[node] = true
		for _, o := range node.Out {
			fresh[o.id] = true
		}
		if i < n {
			moved++
		}
	}
	if len(late) == 0 {
		return 0
	}
	stay := slices.DeleteFunc(slices.Clone(g.nodes), func(n *Node) bool { return late[n] })
	for _, n := range g.nodes {
		if late[n] {
			stay = append(stay, n)
		}
	}
	g.nodes = stay
	return moved
}
