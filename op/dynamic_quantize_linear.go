package op

import (
	"fmt"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/graph"
	"github.com/goqat/goqat/tensor"
)

func init() {
	graph.Register(backend.DynamicQuantizeLinear{}, graph.Def{
		Infer: func(_ backend.Op, in []tensor.Spec) ([]tensor.Spec, error) {
			if err := want(in, 1, 1); err != nil {
				return nil, err
			}
			if in[0].DType != tensor.F32 {
				return nil, fmt.Errorf("op: input is %v, want float32", in[0].DType)
			}
			return []tensor.Spec{{DType: tensor.U8, Shape: in[0].Shape}, tensor.Of(tensor.F32, 1), tensor.Of(tensor.I32, 1)}, nil
		},
		NoGrad: "it serves finished models: fake_quant is what trains",
		ONNX:   "DynamicQuantizeLinear",
	})
}
