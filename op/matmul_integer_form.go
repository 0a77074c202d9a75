package op

import (
	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/graph"
	"github.com/goqat/goqat/quant"
	"github.com/goqat/goqat/tensor"
)

// matmulInteger is the integer form of MatMul: matmul_dequant while the range
// of the result is observed, qlinear_matmul once it is fixed.
var matmulInteger = &graph.IntegerDef{
	Live: func(r *graph.Rewrite, n *graph.Node) ([]graph.Value, bool) {
		m := n.Op.(backend.MatMul)
		a, b, ok := matrixCodes(r, n, m)
		if !ok {
			return nil, false
		}
		return r.Dst.ApplyNamed(n.Name, backend.MatMulDequant{MatMul: m}, a.Value, a.Scale, a.Zero, b.Value, b.Scale, b.Zero), true
	},
	Deploy: func(r *graph.Rewrite, n *graph.Node, c graph.Chain) (graph.Codes, bool) {
		m := n.Op.(backend.MatMul)
		a, b, ok := matrixCodes(r, n, m)
		if !ok || c.BN != nil || !unclamped(c) || !perTensor(c.Out) {
			return graph.Codes{}, false
		}
		op := backend.QLinearMatMul{MatMul: m, Rule: c.Out.Rule, Scheme: c.Out.Scheme}
		return emitCodes(r, n.Name, op, c.Out, a.Value, a.Scale, a.Zero, b.Value, b.Scale, b.Zero)
	},
}

// matrixCodes returns the codes of both matrices, false unless the kernels
// take them: one scale each, or one a column of the right one.
func matrixCodes(r *graph.Rewrite, n *graph.Node, m backend.MatMul) (a, b graph.Codes, ok bool) {
	if n.Out[0].DType() != tensor.F32 {
		return a, b, false
	}
	a, okA := r.Codes(n.In[0])
	b, okB := r.Codes(n.In[1])
	if !okA || !okB || !perTensor(a) || !perColumn(b, m.TransB) {
		return a, b, false
	}
	_, k, _, err := codesMatMul(m, a.Value.Spec(), b.Value.Spec())
	if err == nil {
		err = wantAccumulator(codeSpan(a.Value.DType(), true), codeSpan(b.Value.DType(), true), k, false)
	}
	return a, b, err == nil
}

// perColumn reports whether a matrix [..., k, n] has one scale, or one a
// column.
func perColumn(b graph.Codes, trans bool) bool {
	g, rank := b.Scheme.Grain, len(b.Value.Shape())
	if g.Kind != quant.PerChannel {
		return g.Kind == quant.PerTensor
	}
	axis, column := g.Axis, rank-1
	if axis < 0 {
		axis += rank
	}
	if trans {
		column--
	}
	return rank > 1 && axis == column
}
