package op

import (
	"errors"
	"fmt"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/graph"
	"github.com/goqat/goqat/quant"
	"github.com/goqat/goqat/tensor"
)

func init() {
	graph.Register(backend.QLinearConv{}, graph.Def{
		Infer: func(op backend.Op, in []tensor.Spec) ([]tensor.Spec, error) {
			if err := wantPresent(in, 9, 0, 1, 2, 3, 4, 6, 7); err != nil {
				return nil, err
			}
			o := op.(backend.QLinearConv)
			y, err := codesConv(o.Conv, in[0], in[3])
			if err != nil {
				return nil, err
			}
			return inferQLinear(in, y, o.Scheme, o.Lo, o.Hi)
		},
		Grad: func(g *graph.Graph, n *graph.Node, d []graph.Value) []graph.Value {
			if d[0].Absent() || !wantSymmetricWeight(g, n) {
				return make([]graph.Value, len(n.In))
			}
			dz := g.Apply(backend.STEGrad{}, d[0], n.Out[1])
			dx, dw, db := convCodesGrad(g, n.Op.(backend.QLinearConv).Conv, dz, n.In[0], n.In[1], n.In[2], n.In[3], n.In[4], value(n.In, 8))
			return []graph.Value{dx, {}, {}, dw, {}, {}, {}, {}, db}[:len(n.In)]
		},
		ONNX: "QLinearConv",
	})
}

// inferQLinear checks the parameters of a layer from codes to codes of shape
// y: inputs cx, sx, zx, cw, sw, zw?, sy, zy, bias?.
func inferQLinear(in []tensor.Spec, y tensor.Shape, s quant.Scheme, lo, hi float32) ([]tensor.Spec, error) {
	if err := wantScheme(s); err != nil {
		return nil, err
	}
	if !(lo <= hi) {
		return nil, fmt.Errorf("op: bounds %v and %v of the result", lo, hi)
	}
	x, w := in[0], in[3]
	o := w.Shape[0]
	err := errors.Join(
		wantEntries(in, 1, "scale of x", tensor.F32, 1),
		wantEntries(in, 2, "zero point of x", tensor.I32, 1),
		wantEntries(in, 4, "scale of w", tensor.F32, 1, o),
		wantEntries(in, 5, "zero point of w", tensor.I32, 1, o),
		wantEntries(in, 6, "scale of y", tensor.F32, 1),
		wantEntries(in, 7, "zero point of y", tensor.I32, 1),
		wantEntries(in, 8, "bias", tensor.I32, o),
		wantAccumulator(codeSpan(x.DType, true), codeSpan(w.DType, present(in, 5)), innerProduct(w.Shape), present(in, 8)))
	return codesAndMask(y, s), err
}

// codesAndMask returns the outputs of an operation that rounds to codes.
func codesAndMask(y tensor.Shape, s quant.Scheme) []tensor.Spec {
	return []tensor.Spec{{DType: s.DType(), Shape: y}, {DType: tensor.B1, Shape: y}}
}

// wantSymmetricWeight reports whether the weight of a qlinear layer is what
// the gradient operations take, int8 codes without a zero point, and fails g
// otherwise: lowering makes no others.
func wantSymmetricWeight(g *graph.Graph, n *graph.Node) bool {
	if n.In[3].DType() == tensor.I8 && n.In[5].Absent() {
		return true
	}
	g.Fail(fmt.Errorf("op: node %s: no gradient for weights that are not int8 codes with zero point 0", n.Name))
	return false
}
