package op

import (
	"math"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/graph"
	"github.com/goqat/goqat/quant"
	"github.com/goqat/goqat/tensor"
)

// averagePoolInteger and globalAveragePoolInteger are the integer forms of
// the means: codes to codes with the parameters of the input.
var (
	averagePoolInteger = meanInteger(func(n *graph.Node, c graph.Codes) backend.Op {
		return backend.QLinearAveragePool{AveragePool: n.Op.(backend.AveragePool), Rule: c.Rule, Scheme: c.Scheme}
	})
	globalAveragePoolInteger = withDeploy(meanInteger(func(n *graph.Node, c graph.Codes) backend.Op {
		return backend.QLinearGlobalAveragePool{GlobalAveragePool: n.Op.(backend.GlobalAveragePool), Rule: c.Rule, Scheme: c.Scheme}
	}), deployGlobalMean)
)

func withDeploy(d *graph.IntegerDef, f func(*graph.Rewrite, *graph.Node, graph.Chain) (graph.Codes, bool)) *graph.IntegerDef {
	d.Deploy = f
	return d
}

// deployGlobalMean rounds the mean to the grid of a quantizer of its own,
// where the rule has a float epilogue.
func deployGlobalMean(r *graph.Rewrite, n *graph.Node, c graph.Chain) (graph.Codes, bool) {
	x, ok := r.Codes(n.In[0])
	if !ok || !perTensor(x) || !perTensor(c.Out) || c.BN != nil || !math.IsInf(float64(c.Lo), -1) || !math.IsInf(float64(c.Hi), 1) ||
		c.Out.Rule.Requant != quant.RequantFloat || x.Rule != c.Out.Rule || x.Scale == c.Out.Scale {
		return graph.Codes{}, false
	}
	op := backend.QLinearGlobalAveragePool{GlobalAveragePool: n.Op.(backend.GlobalAveragePool), Rule: c.Out.Rule, Scheme: c.Out.Scheme}
	in := []graph.Value{x.Value, x.Zero, x.Scale, c.Out.Scale, c.Out.Zero}
	if _, err := graph.Lookup(op.OpName()).Infer(op, specsOf(in...)); err != nil {
		return graph.Codes{}, false // Too many elements to add up.
	}
	v := r.Dst.ApplyNamed(n.Name, op, in...)
	if len(v) == 0 {
		return graph.Codes{}, false
	}
	c.Out.Value = v[0]
	return c.Out, true
}

func meanInteger(form func(n *graph.Node, c graph.Codes) backend.Op) *graph.IntegerDef {
	return &graph.IntegerDef{Rounds: true, Pass: func(r *graph.Rewrite, n *graph.Node) (graph.Codes, bool) {
		c, ok := r.Codes(n.In[0])
		if !ok || !perTensor(c) || otherQuantizer(r, n, c) {
			return graph.Codes{}, false
		}
		op := form(n, c)
		specs, err := graph.Lookup(op.OpName()).Infer(op, specsOf(c.Value, c.Zero))
		if err != nil || len(specs) == 0 {
			return graph.Codes{}, false // Too many elements to add up; the mean of floats takes them.
		}
		v := r.Dst.ApplyNamed(n.Name, op, c.Value, c.Zero)
		if len(v) == 0 {
			return graph.Codes{}, false
		}
		c.Value = v[0]
		return c, true
	}}
}

// otherQuantizer reports whether the result of n goes to a quantizer with
// parameters other than c's: rounding to c's grid first would be one rounding
// more than the model has.
func otherQuantizer(r *graph.Rewrite, n *graph.Node, c graph.Codes) bool {
	before := map[*graph.Node]bool{}
	passed := false
	for _, q := range n.Out[0].Graph().Nodes() {
		passed = passed || q == n
		if !passed {
			before[q] = true
			continue
		}
		if _, ok := q.Op.(backend.FakeQuant); !ok || q.In[0] != n.Out[0] {
			continue
		}
		// A scale that is computed after n cannot be that of its input.
		if p, _ := q.In[1].Producer(); p != nil && !before[p] || r.Float(q.In[1]) != c.Scale {
			return true
		}
	}
	return false
}

func specsOf(vs ...graph.Value) []tensor.Spec {
	s := make([]tensor.Spec, len(vs))
	for i, v := range vs {
		s[i] = v.Spec()
	}
	return s
}
