package op

import (
	"errors"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/graph"
	"github.com/goqat/goqat/quant"
	"github.com/goqat/goqat/tensor"
)

func init() {
	graph.Register(backend.MatMulDequant{}, graph.Def{
		Infer: func(op backend.Op, in []tensor.Spec) ([]tensor.Spec, error) {
			if err := wantPresent(in, 6, 0, 1, 2, 3, 4, 5); err != nil {
				return nil, err
			}
			y, k, n, err := codesMatMul(op.(backend.MatMulDequant).MatMul, in[0], in[3])
			if err != nil {
				return nil, err
			}
			d, err := resultType(op.(backend.MatMulDequant).Result)
			err = errors.Join(err,
				wantEntries(in, 1, "scale of a", tensor.F32, 1),
				wantEntries(in, 2, "zero point of a", tensor.I32, 1),
				wantEntries(in, 4, "scale of b", tensor.F32, 1, n),
				wantEntries(in, 5, "zero point of b", tensor.I32, in[4].Numel()),
				wantAccumulator(codeSpan(in[0].DType, true), codeSpan(in[3].DType, true), k, false))
			return one(tensor.Spec{DType: d, Shape: y}), err
		},
		Grad: func(g *graph.Graph, n *graph.Node, d []graph.Value) []graph.Value {
			da, db := matmulCodesGrad(g, n, n.Op.(backend.MatMulDequant).MatMul, d[0])
			return []graph.Value{da, {}, {}, db, {}, {}}
		},
		Recompute: true,
		NoONNX:    "written as DequantizeLinear and MatMul",
	})
}

// matmulCodesGrad returns the gradients of a product of two matrices of codes
// with inputs ca, sa, za, cb, sb, zb, given that of its real result: those of
// the product of the real matrices.
func matmulCodesGrad(g *graph.Graph, n *graph.Node, m backend.MatMul, dz graph.Value) (da, db graph.Value) {
	sa, sb := quant.Scheme{Bits: 8, Signed: n.In[0].DType() == tensor.I8}, quant.Scheme{Bits: 8, Signed: n.In[3].DType() == tensor.I8}
	if n.In[4].Spec().Numel() > 1 {
		sb.Grain = quant.Granularity{Kind: quant.PerChannel, Axis: -1}
		if m.TransB {
			sb.Grain.Axis = -2
		}
	}
	a := g.Apply(backend.DequantizeLinear{Scheme: sa}, n.In[0], n.In[1], n.In[2])
	b := g.Apply(backend.DequantizeLinear{Scheme: sb}, n.In[3], n.In[4], n.In[5])
	if g.Err() != nil {
		return da, db
	}
	float := &graph.Node{Op: m, Name: n.Name, In: []graph.Value{a, b}, Out: n.Out[:1]}
	d := graph.Lookup(m.OpName()).Grad(g, float, []graph.Value{dz})
	if len(d) < 2 {
		return da, db
	}
	return d[0], d[1]
}
