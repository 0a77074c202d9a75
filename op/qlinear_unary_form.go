package op

import (
	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/graph"
)

// unaryInteger is the integer form of an activation: a table from the codes
// of its input to those of its output.
func unaryInteger(f backend.UnaryFunc) *graph.IntegerDef {
	return &graph.IntegerDef{Deploy: func(r *graph.Rewrite, n *graph.Node, c graph.Chain) (graph.Codes, bool) {
		x, ok := r.Codes(n.In[0])
		if !ok || c.BN != nil || !unclamped(c) || !perTensor(x, c.Out) {
			return graph.Codes{}, false
		}
		op := backend.QLinearUnary{Func: f, Rule: c.Out.Rule, Scheme: c.Out.Scheme}
		switch o := n.Op.(type) {
		case backend.LeakyRelu:
			op.Alpha = o.Alpha
		case backend.Gelu:
			if o.Tanh {
				op.Func = backend.UnaryGeluTanh
			}
		}
		return emitCodes(r, n.Name, op, c.Out, x.Value, x.Scale, x.Zero)
	}}
}
