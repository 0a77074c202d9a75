package op

import (
	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/graph"
	"github.com/goqat/goqat/tensor"
)

// fuseCrossEntropy makes a cross entropy that no other operation takes, so
// that only the root of what is differentiated can be, one operation with its
// gradient: the logits are read once. Weighted and distilled losses stay.
func fuseCrossEntropy(g *graph.Graph, supports graph.Supports) (*graph.Graph, error) {
	used, outputs := map[int]bool{}, map[int]bool{}
	for _, n := range g.Nodes() {
		for _, v := range n.In {
			used[v.ID()] = true
		}
	}
	for _, o := range g.Outputs() {
		outputs[o.Value.ID()] = true
	}
	at := map[*graph.Node]backend.Op{}
	for _, n := range g.Nodes() {
		o, ok := n.Op.(backend.SoftmaxCrossEntropy)
		if !ok || !outputs[n.Out[0].ID()] || used[n.Out[0].ID()] || used[n.Out[1].ID()] || outputs[n.Out[1].ID()] {
			continue
		}
		if op := backend.SoftmaxCrossEntropyTrain(o); supports(op, n.In[0].Spec(), n.In[1].Spec()) {
			at[n] = op
		}
	}
	if len(at) == 0 {
		return g, nil
	}
	c := graph.NewCopy(g)
	for _, n := range g.Nodes() {
		if op := at[n]; op == nil {
			c.Node(n)
		} else if out := c.Dst.ApplyNamed(n.Name, op, c.Value(n.In[0]), c.Value(n.In[1])); len(out) > 0 {
			c.Set(n.Out[0], out[0])
		}
		if err := c.Dst.Err(); err != nil {
			return nil, err
		}
	}
	c.Outputs()
	return c.Dst, c.Dst.Err()
}

// isOne reports whether v is a constant of one element, 1.
func isOne(v graph.Value) bool {
	if v.Kind() != graph.Const || v.Spec().Numel() != 1 {
		return false
	}
	switch t := v.Init(); t.DType() {
	case tensor.F32:
		return t.F32()[0] == 1
	case tensor.F64:
		return t.F64()[0] == 1
	}
	return false
}
