package op

import (
	"fmt"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/graph"
	"github.com/goqat/goqat/tensor"
)

func init() {
	graph.Register(backend.DequantizeLinear{}, graph.Def{
		Infer: func(op backend.Op, in []tensor.Spec) ([]tensor.Spec, error) {
			if err := want(in, 2, 3); err != nil {
				return nil, err
			}
			if d := in[0].DType; !d.Code() && d != tensor.I32 {
				return nil, fmt.Errorf("op: codes are %v, want int8, uint8 or int32", d)
			}
			if err := wantScales(op.(backend.DequantizeLinear).Scheme, in[0].Shape, in[1], at(in, 2)); err != nil {
				return nil, err
			}
			d, err := resultType(op.(backend.DequantizeLinear).Result)
			return one(tensor.Spec{DType: d, Shape: in[0].Shape}), err
		},
		// The gradient of codes is that of the real values they stand for.
		Grad: func(_ *graph.Graph, _ *graph.Node, d []graph.Value) []graph.Value {
			return []graph.Value{d[0]}
		},
		Recompute: true,
		ONNX:      "DequantizeLinear",
	})
}
