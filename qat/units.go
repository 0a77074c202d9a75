package qat

import (
	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/graph"
	"github.com/goqat/goqat/tensor"
)

// usage tells who uses the values of a graph.
type usage struct {
	users   map[int][]*graph.Node // One entry a use.
	outputs map[int]bool
}

func usageOf(g *graph.Graph) usage {
	u := usage{users: map[int][]*graph.Node{}, outputs: map[int]bool{}}
	for _, n := range g.Nodes() {
		for _, v := range n.In {
			if !v.Absent() {
				u.users[v.ID()] = append(u.users[v.ID()], n)
			}
		}
	}
	for _, o := range g.Outputs() {
		u.outputs[o.Value.ID()] = true
	}
	return u
}

// next returns the node that alone uses v, as its first input, nil if there
// is no such node.
func (u usage) next(v graph.Value) *graph.Node {
	if n := u.users[v.ID()]; len(n) == 1 && !u.outputs[v.ID()] && n[0].In[0] == v {
		return n[0]
	}
	return nil
}

// own reports whether v is a stored float32 tensor with one user.
func (u usage) own(v graph.Value) bool {
	stored := v.Kind() == graph.Param || v.Kind() == graph.Const
	return stored && v.DType() == tensor.F32 && len(u.users[v.ID()]) == 1 && !u.outputs[v.ID()]
}

// unit is a convolution or linear layer with the batch normalization and the
// clamp that follow it and nothing else.
type unit struct {
	layer, bn, act *graph.Node
	// weight is the quantizer of the layer's weights, nil when they are not
	// quantized or not a parameter.
	weight *graph.Node
}

// units returns the layers of a graph in order. Observers and quantizers end
// a unit.
func units(g *graph.Graph, use usage) []unit {
	var us []unit
	for _, n := range g.Nodes() {
		switch n.Op.(type) {
		case backend.Conv, backend.Gemm:
		default:
			continue
		}
		u := unit{layer: n}
		if p, _ := n.In[1].Producer(); p != nil {
			if _, ok := p.Op.(backend.FakeQuant); ok && p.In[0].Kind() == graph.Param {
				u.weight = p
			}
		}
		next := use.next(n.Out[0])
		if next != nil {
			if _, ok := next.Op.(backend.BatchNorm); ok {
				u.bn = next
				next = use.next(next.Out[0])
			}
		}
		if next != nil {
			if _, ok := next.Op.(backend.Clamper); ok {
				u.act = next
			}
		}
		us = append(us, u)
	}
	return us
}

// preActivation is the result of the layer before its clamp.
func (u unit) preActivation() graph.Value {
	if u.bn != nil {
		return u.bn.Out[0]
	}
	return u.layer.Out[0]
}

// result is the result of the unit, before a quantizer.
func (u unit) result() graph.Value {
	if u.act != nil {
		return u.act.Out[0]
	}
	return u.preActivation()
}

// shift is what is added to each output channel last: the beta of the batch
// normalization or the bias of the layer, absent if there is neither.
func (u unit) shift() graph.Value {
	if u.bn != nil {
		return u.bn.In[2]
	}
	if len(u.layer.In) > 2 {
		return u.layer.In[2]
	}
	return graph.Value{}
}

func (u unit) name() string { return u.layer.Name }

// probed returns a copy of g whose outputs are what add makes of the copy: a
// program compiled from it runs no more than these need.
func probed(g *graph.Graph, add func(c *graph.Copy)) (*graph.Graph, error) {
	if err := g.Err(); err != nil {
		return nil, err
	}
	c := graph.NewCopy(g)
	for _, n := range g.Nodes() {
		c.Node(n)
	}
	add(c)
	return c.Dst, c.Dst.Err()
}
