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
	graph.Register(backend.QLinearAveragePool{}, graph.Def{
		Infer: func(op backend.Op, in []tensor.Spec) ([]tensor.Spec, error) {
			p := op.(backend.QLinearAveragePool)
			if err := wantCodesAndZero(in, p.Scheme); err != nil {
				return nil, err
			}
			y, err := averagePoolShape(p.AveragePool, in[0].Shape)
			if err != nil {
				return nil, err
			}
			k := p.Kernel[1]
			if len(y) == 4 {
				k *= p.Kernel[0]
			}
			return one(tensor.Spec{DType: in[0].DType, Shape: y}), wantAccumulator(codeSpan(in[0].DType, true), [2]int32{1, 1}, k, false)
		},
		Grad: func(g *graph.Graph, n *graph.Node, d []graph.Value) []graph.Value {
			op := backend.AveragePoolGrad{AveragePool: n.Op.(backend.QLinearAveragePool).AveragePool, Input: tensor.NewDims(n.In[0].Shape()...)}
			return []graph.Value{g.Apply(op, d[0]), {}}
		},
		ONNX: "com.microsoft:QLinearAveragePool",
	})
}

// wantCodesAndZero checks the inputs of an operation on codes that keeps their
// parameters, of scheme s: codes, zero.
func wantCodesAndZero(in []tensor.Spec, s quant.Scheme) error {
	if err := want(in, 2, 2); err != nil {
		return err
	}
	err := wantScheme(s)
	if err == nil && in[0].DType != s.DType() {
		err = fmt.Errorf("op: input is %v, want codes of scheme %v", in[0].DType, s)
	}
	return errors.Join(err, wantEntries(in, 1, "zero point", tensor.I32, 1))
}
