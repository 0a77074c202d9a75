package op

import (
	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/graph"
	"github.com/goqat/goqat/quant"
	"github.com/goqat/goqat/tensor"
)

// convInteger is the integer form of Conv: conv_dequant while the range of
// the result is observed, qlinear_conv with batch normalization and clamp in
// its epilogue once it is fixed.
var convInteger = &graph.IntegerDef{
	Live: func(r *graph.Rewrite, n *graph.Node) ([]graph.Value, bool) {
		return liveLayer(r, n, backend.ConvDequant{Conv: n.Op.(backend.Conv)})
	},
	Deploy: func(r *graph.Rewrite, n *graph.Node, c graph.Chain) (graph.Codes, bool) {
		return deployLayer(r, n, c, backend.QLinearConv{Conv: n.Op.(backend.Conv), Rule: c.Out.Rule, Scheme: c.Out.Scheme, Lo: c.Lo, Hi: c.Hi})
	},
}

// layerCodes returns the codes of input and weight of a layer, false unless
// the kernels take them: one scale for the input, symmetric signed weights
// with one scale a tensor or an output channel, a float32 result and no more
// products than the accumulator holds.
func layerCodes(r *graph.Rewrite, n *graph.Node, bias bool) (x, w graph.Codes, ok bool) {
	if n.Out[0].DType() != tensor.F32 {
		return x, w, false
	}
	x, okX := r.Codes(n.In[0])
	w, okW := r.Codes(n.In[1])
	if !okX || !okW || !perTensor(x) || !w.Scheme.Signed || !w.Scheme.Symmetric || !perOutput(w) {
		return x, w, false
	}
	err := wantAccumulator(codeSpan(x.Value.DType(), true), codeSpan(tensor.I8, false), innerProduct(w.Value.Shape()), bias)
	return x, w, err == nil
}

// perOutput reports whether a weight [out, ...] has one scale, or one an
// output channel.
func perOutput(w graph.Codes) bool {
	switch g := w.Scheme.Grain; g.Kind {
	case quant.PerTensor:
		return true
	case quant.PerChannel:
		return g.Axis == 0 || g.Axis == -len(w.Value.Shape())
	}
	return false
}

// liveLayer emits a layer from codes to floats.
func liveLayer(r *graph.Rewrite, n *graph.Node, op backend.Op) ([]graph.Value, bool) {
	x, w, ok := layerCodes(r, n, false)
	if !ok {
		return nil, false
	}
	in := []graph.Value{x.Value, x.Scale, x.Zero, w.Value, w.Scale}
	if b := value(n.In, 2); !b.Absent() {
		in = append(in, r.Float(b))
	}
	return r.Dst.ApplyNamed(n.Name, op, in...), true
}

// deployLayer emits a layer from codes to codes after folding the batch
// normalization, if there is one, and the bias into its epilogue.
func deployLayer(r *graph.Rewrite, n *graph.Node, c graph.Chain, op backend.Op) (graph.Codes, bool) {
	x, w, ok := layerCodes(r, n, true)
	if !ok || !perTensor(c.Out) {
		return graph.Codes{}, false
	}
	fold := backend.FoldBatchNorm{Rule: c.Out.Rule}
	in := []graph.Value{w.Value, w.Scale, x.Scale}
	bias := value(n.In, 2)
	if !bias.Absent() || c.BN != nil {
		in = append(in, r.Float(bias))
	}
	if c.BN != nil {
		if w.Scheme.Bits == 8 && !w.Scheme.Narrow {
			return graph.Codes{}, false // A negative gamma flips codes, and -128 has no negative.
		}
		fold.Eps = c.BN.Op.(backend.BatchNorm).Eps
		gamma, beta, mean, variance := r.BNInputs(c.BN)
		in = append(in, gamma, beta, mean, variance)
	}
	f := r.Dst.ApplyNamed(n.Name+".fold", fold, in...)
	if len(f) == 0 {
		return graph.Codes{}, false
	}
	v := r.Dst.ApplyNamed(n.Name, op, x.Value, x.Scale, x.Zero, f[0], f[1], graph.Value{}, c.Out.Scale, c.Out.Zero, f[2])
	if len(v) == 0 {
		return graph.Codes{}, false
	}
	c.Out.Value = v[0]
	return c.Out, true
}
