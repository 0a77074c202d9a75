package op

import (
	"fmt"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/graph"
	"github.com/goqat/goqat/tensor"
)

func init() {
	graph.Register(backend.GemmDequant{}, graph.Def{
		Infer: func(op backend.Op, in []tensor.Spec) ([]tensor.Spec, error) {
			if err := wantPresent(in, 6, 0, 1, 2, 3, 4); err != nil {
				return nil, err
			}
			y, err := codesGemm(in[0], in[3])
			if err != nil {
				return nil, err
			}
			o := op.(backend.GemmDequant)
			return inferDequant(in, y, o.Collect, o.Result)
		},
		Grad: func(g *graph.Graph, n *graph.Node, d []graph.Value) []graph.Value {
			dx, dw, db := gemmCodesGrad(g, d[0], n.In[0], n.In[1], n.In[2], n.In[3], n.In[4], value(n.In, 5))
			return []graph.Value{dx, {}, {}, dw, {}, db}[:len(n.In)]
		},
		Recompute: true,
		NoONNX:    "written as DequantizeLinear and Gemm",
	})
}

// codesGemm returns the shape of a linear layer on codes.
func codesGemm(x, w tensor.Spec) (tensor.Shape, error) {
	if !x.DType.Code() || !w.DType.Code() {
		return nil, fmt.Errorf("op: product of %v with %v, want int8 or uint8 codes", x.DType, w.DType)
	}
	return gemmShape(x.Shape, w.Shape)
}

// gemmCodesGrad is convCodesGrad for linear layers.
func gemmCodesGrad(g *graph.Graph, dz, cx, sx, zx, cw, sw, bias graph.Value) (dx, dw, db graph.Value) {
	dx = g.Apply(backend.GemmGradInput{Precision: g.GradPrecision()}, dz, cw, sw)
	dw = g.Apply(backend.GemmGradWeight{Precision: g.GradPrecision()}, dz, cx, sx, zx)
	if !bias.Absent() {
		db = g.Apply(backend.BiasGrad{}, dz)
	}
	return dx, dw, db
}
