package op

import (
	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/graph"
)

// concatInteger concatenates codes: as they are when all inputs have the same
// scale, zero point and scheme, else requantized to those of the output.
var concatInteger = &graph.IntegerDef{
	Pass: func(r *graph.Rewrite, n *graph.Node) (graph.Codes, bool) {
		in, ok := allCodes(r, n)
		if !ok || !perTensor(in[0]) {
			return graph.Codes{}, false
		}
		values := make([]graph.Value, len(in))
		for i, c := range in {
			if !sameCodes(c, in[0]) {
				return graph.Codes{}, false
			}
			values[i] = c.Value
		}
		return concatCodes(r, n, in[0], values)
	},
	Deploy: func(r *graph.Rewrite, n *graph.Node, c graph.Chain) (graph.Codes, bool) {
		in, ok := allCodes(r, n)
		if !ok || c.BN != nil || !unclamped(c) || !perTensor(c.Out) || !perTensor(in...) {
			return graph.Codes{}, false
		}
		for _, x := range in {
			if x.Rule != c.Out.Rule {
				return graph.Codes{}, false
			}
		}
		values := make([]graph.Value, len(in))
		for i, x := range in {
			if !sameCodes(x, c.Out) {
				op := backend.Requantize{Rule: c.Out.Rule, In: x.Scheme, Scheme: c.Out.Scheme}
				if x, ok = emitCodes(r, n.Name+".requantize", op, c.Out, x.Value, x.Scale, x.Zero); !ok {
					return graph.Codes{}, false
				}
			}
			values[i] = x.Value
		}
		return concatCodes(r, n, c.Out, values)
	},
}

func concatCodes(r *graph.Rewrite, n *graph.Node, out graph.Codes, in []graph.Value) (graph.Codes, bool) {
	v := r.Dst.ApplyNamed(n.Name, n.Op, in...)
	if len(v) == 0 {
		return graph.Codes{}, false
	}
	out.Value = v[0]
	return out, true
}

// allCodes returns the codes of every input, false unless all have some.
func allCodes(r *graph.Rewrite, n *graph.Node) ([]graph.Codes, bool) {
	cs := make([]graph.Codes, len(n.In))
	for i, v := range n.In {
		var ok bool
		if cs[i], ok = r.Codes(v); !ok {
			return nil, false
		}
	}
	return cs, len(cs) > 0
}

// sameCodes reports whether equal codes of x and y stand for equal numbers.
func sameCodes(x, y graph.Codes) bool {
	return x.Scale == y.Scale && x.Zero == y.Zero && x.Scheme == y.Scheme && x.Rule == y.Rule
}
