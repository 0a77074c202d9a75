package op

import (
	"errors"
	"fmt"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/graph"
	"github.com/goqat/goqat/tensor"
)

func init() {
	graph.Register(backend.ConvDequant{}, graph.Def{
		Infer: func(op backend.Op, in []tensor.Spec) ([]tensor.Spec, error) {
			if err := wantPresent(in, 6, 0, 1, 2, 3, 4); err != nil {
				return nil, err
			}
			y, err := codesConv(op.(backend.ConvDequant).Conv, in[0], in[3])
			if err != nil {
				return nil, err
			}
			o := op.(backend.ConvDequant)
			return inferDequant(in, y, o.Collect, o.Result)
		},
		Grad: func(g *graph.Graph, n *graph.Node, d []graph.Value) []graph.Value {
			c := n.Op.(backend.ConvDequant).Conv
			sx, zx, sw := n.In[1], n.In[2], n.In[4]
			dx, dw, db := convCodesGrad(g, c, d[0], n.In[0], sx, zx, n.In[3], sw, value(n.In, 5))
			return []graph.Value{dx, {}, {}, dw, {}, db}[:len(n.In)]
		},
		Recompute: true,
		NoONNX:    "written as DequantizeLinear and Conv",
	})
}

// inferDequant checks scales, zero point and bias of a layer on codes with a
// float result of shape y: inputs cx, sx, zx, cw, sw, bias?. c says what
// output comes with it.
func inferDequant(in []tensor.Spec, y tensor.Shape, c backend.Collect, result tensor.DType) ([]tensor.Spec, error) {
	x, w := in[0], in[3]
	if w.DType != tensor.I8 {
		return nil, fmt.Errorf("op: weight codes are %v, want int8 with zero point 0", w.DType)
	}
	o := w.Shape[0]
	d, err := resultType(result)
	if d == tensor.BF16 && c != backend.CollectNothing {
		err = fmt.Errorf("op: nothing is collected of a result of type %v", d)
	}
	err = errors.Join(err,
		wantEntries(in, 1, "scale of x", tensor.F32, 1),
		wantEntries(in, 2, "zero point of x", tensor.I32, 1),
		wantEntries(in, 4, "scale of w", tensor.F32, 1, o),
		wantEntries(in, 5, "bias", tensor.F32, o),
		wantAccumulator(codeSpan(x.DType, true), codeSpan(w.DType, false), innerProduct(w.Shape), false))
	out := one(tensor.Spec{DType: d, Shape: y})
	switch c {
	case backend.CollectNothing:
	case backend.CollectMoments:
		if !backend.CollectsMoments(x, w) {
			err = errors.Join(err, fmt.Errorf("op: sums of %d products of codes are too large to collect moments of: read the result", innerProduct(w.Shape)))
		}
		out = append(out, tensor.Of(tensor.F64, 4, o))
	case backend.CollectEnds:
		out = append(out, tensor.Of(tensor.F32, 2))
	default:
		err = errors.Join(err, fmt.Errorf("op: nothing known to collect has number %d", c))
	}
	return out, err
}

// convCodesGrad returns the gradients of a convolution whose operands are
// codes, given that of its real result: the codes are the exact operands, so
// nothing is dequantized on the way. db is absent without a bias.
func convCodesGrad(g *graph.Graph, c backend.Conv, dz, cx, sx, zx, cw, sw, bias graph.Value) (dx, dw, db graph.Value) {
	p := g.GradPrecision()
	dx = g.Apply(backend.ConvGradInput{Conv: c, Input: tensor.NewDims(cx.Shape()...), Precision: p}, dz, cw, sw)
	dw = g.Apply(backend.ConvGradWeight{Conv: c, Weight: tensor.NewDims(cw.Shape()...), Precision: p}, dz, cx, sx, zx)
	if !bias.Absent() {
		db = g.Apply(backend.BiasGrad{}, dz)
	}
	return dx, dw, db
}
