package op

import (
	"errors"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/graph"
	"github.com/goqat/goqat/tensor"
)

func init() {
	graph.Register(backend.QLinearMatMul{}, graph.Def{
		Infer: func(op backend.Op, in []tensor.Spec) ([]tensor.Spec, error) {
			if err := wantPresent(in, 8, 0, 1, 2, 3, 4, 5, 6, 7); err != nil {
				return nil, err
			}
			o := op.(backend.QLinearMatMul)
			if err := wantScheme(o.Scheme); err != nil {
				return nil, err
			}
			y, k, n, err := codesMatMul(o.MatMul, in[0], in[3])
			if err != nil {
				return nil, err
			}
			err = errors.Join(
				wantEntries(in, 1, "scale of a", tensor.F32, 1),
				wantEntries(in, 2, "zero point of a", tensor.I32, 1),
				wantEntries(in, 4, "scale of b", tensor.F32, 1, n),
				wantEntries(in, 5, "zero point of b", tensor.I32, in[4].Numel()),
				wantEntries(in, 6, "scale of y", tensor.F32, 1),
				wantEntries(in, 7, "zero point of y", tensor.I32, 1),
				wantAccumulator(codeSpan(in[0].DType, true), codeSpan(in[3].DType, true), k, false))
			return codesAndMask(y, o.Scheme), err
		},
		Grad: func(g *graph.Graph, n *graph.Node, d []graph.Value) []graph.Value {
			in := make([]graph.Value, len(n.In))
			if d[0].Absent() {
				return in
			}
			m := n.Op.(backend.QLinearMatMul).MatMul
			in[0], in[3] = matmulCodesGrad(g, n, m, g.Apply(backend.STEGrad{}, d[0], n.Out[1]))
			return in
		},
		ONNX: "QLinearMatMul",
	})
}
