package op

import (
	"fmt"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/graph"
	"github.com/goqat/goqat/tensor"
)

func init() {
	graph.Register(backend.Reshape{}, graph.Def{
		Infer: func(op backend.Op, in []tensor.Spec) ([]tensor.Spec, error) {
			if err := want(in, 1, 1); err != nil {
				return nil, err
			}
			if err := wantBytes(in[0]); err != nil {
				return nil, err
			}
			s, err := op.(backend.Reshape).Output(in[0].Shape)
			if err != nil {
				return nil, fmt.Errorf("op: %w", err)
			}
			return one(tensor.Spec{DType: in[0].DType, Shape: s}), nil
		},
		Grad:    gradReshape,
		ONNX:    "Reshape",
		Integer: passCodes,
	})
}
