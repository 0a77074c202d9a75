package op

import (
	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/graph"
	"github.com/goqat/goqat/tensor"
)

// fuseCollect has layers on codes find out on their way out what the operation
// behind them would read the whole result for: the moments for batch
// normalization, the ends for the range of a clamp. It comes after
// fuseActivations, which makes these operations.
func fuseCollect(g *graph.Graph, supports graph.Supports) (*graph.Graph, error) {
	reader := map[*graph.Node]*graph.Node{} // of what a layer collects, by the layer
	for _, n := range g.Nodes() {
		if c := collectedFor(n); c != backend.CollectNothing {
			if p, out := n.In[0].Producer(); p != nil && out == 0 && reader[p] == nil && collects(p, n, c, supports) {
				reader[p] = n
			}
		}
	}
	if len(reader) == 0 {
		return g, nil
	}
	c := graph.NewCopy(g)
	found := map[*graph.Node]graph.Value{} // by the reader, in the copy
	for _, n := range g.Nodes() {
		in := make([]graph.Value, len(n.In), len(n.In)+1)
		for i, v := range n.In {
			in[i] = c.Value(v)
		}
		op := n.Op
		if v, ok := found[n]; ok {
			in = append(in, v)
		} else if r := reader[n]; r != nil {
			op = op.(backend.Collector).Collecting(collectedFor(r))
		}
		out := c.Dst.ApplyNamed(n.Name, op, in...)
		if err := c.Dst.Err(); err != nil {
			return nil, err
		}
		for i, v := range n.Out {
			c.Set(v, out[i])
			c.Codes(v)
		}
		if r := reader[n]; r != nil {
			found[r] = out[len(n.Out)]
		}
	}
	c.Outputs()
	return c.Dst, c.Dst.Err()
}

// collectedFor returns what n wants to know of its first input, when it takes
// it as one more input and has it not yet.
func collectedFor(n *graph.Node) backend.Collect {
	if o, ok := n.Op.(backend.Informed); ok {
		if c, at := o.Informs(); len(n.In) == at {
			return c
		}
	}
	return backend.CollectNothing
}

// collects reports whether the backend has layer p collect c for n.
func collects(p, n *graph.Node, c backend.Collect, supports graph.Supports) bool {
	o, ok := p.Op.(backend.Collector)
	if !ok || len(p.Out) != 1 {
		return false
	}
	channels := n.In[0].Shape().Last()
	extra := tensor.Of(tensor.F64, 4, channels)
	if c == backend.CollectEnds {
		extra = tensor.Of(tensor.F32, 2)
	}
	return supports(o.Collecting(c), specsOf(p.In...)...) && supports(n.Op, append(specsOf(n.In...), extra)...)
}
