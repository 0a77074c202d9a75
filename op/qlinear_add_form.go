package op

import (
	"math"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/graph"
	"github.com/goqat/goqat/quant"
)

// The integer forms of Add, Sub and Mul: both operands have codes, and the
// quantizer of the result is the epilogue.
var (
	addInteger = binaryInteger(func(r quant.Rule, s quant.Scheme, lo, hi float32) backend.Op {
		return backend.QLinearAdd{Rule: r, Scheme: s, Lo: lo, Hi: hi}
	})
	subInteger = binaryInteger(func(r quant.Rule, s quant.Scheme, lo, hi float32) backend.Op {
		return backend.QLinearSub{Rule: r, Scheme: s, Lo: lo, Hi: hi}
	})
	mulInteger = binaryInteger(func(r quant.Rule, s quant.Scheme, lo, hi float32) backend.Op {
		return backend.QLinearMul{Rule: r, Scheme: s, Lo: lo, Hi: hi}
	})
)

func binaryInteger(form func(r quant.Rule, s quant.Scheme, lo, hi float32) backend.Op) *graph.IntegerDef {
	return &graph.IntegerDef{Deploy: func(r *graph.Rewrite, n *graph.Node, c graph.Chain) (graph.Codes, bool) {
		if c.BN != nil || len(n.In) != 2 {
			return graph.Codes{}, false
		}
		x, okX := r.Codes(n.In[0])
		y, okY := r.Codes(n.In[1])
		if !okX || !okY || x.Rule != c.Out.Rule || y.Rule != c.Out.Rule || !perTensor(x, y, c.Out) {
			return graph.Codes{}, false
		}
		op := form(c.Out.Rule, c.Out.Scheme, c.Lo, c.Hi)
		return emitCodes(r, n.Name, op, c.Out, x.Value, x.Scale, x.Zero, y.Value, y.Scale, y.Zero)
	}}
}

// emitCodes appends op on in and the scale and zero point of out, and returns
// out with the codes.
func emitCodes(r *graph.Rewrite, name string, op backend.Op, out graph.Codes, in ...graph.Value) (graph.Codes, bool) {
	v := r.Dst.ApplyNamed(name, op, append(in, out.Scale, out.Zero)...)
	if len(v) == 0 {
		return graph.Codes{}, false
	}
	out.Value = v[0]
	return out, true
}

// perTensor reports whether each of the tensors has a single scale.
func perTensor(cs ...graph.Codes) bool {
	for _, c := range cs {
		if c.Scheme.Grain.Kind != quant.PerTensor {
			return false
		}
	}
	return true
}

// unclamped reports whether no activation is to be folded into the chain.
func unclamped(c graph.Chain) bool {
	return math.IsInf(float64(c.Lo), -1) && math.IsInf(float64(c.Hi), 1)
}
