package op

import (
	"fmt"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/graph"
	"github.com/goqat/goqat/quant"
	"github.com/goqat/goqat/tensor"
)

func init() {
	graph.Register(backend.ScaleZero{}, graph.Def{
		Infer: func(op backend.Op, in []tensor.Spec) ([]tensor.Spec, error) {
			if err := want(in, 4, 4); err != nil {
				return nil, err
			}
			if in[0].DType != tensor.F32 || !in[1].Equal(in[0]) || !in[2].Equal(in[0]) {
				return nil, fmt.Errorf("op: inputs %v, want min, max and scale float32 of one shape", in)
			}
			if in[3].DType != tensor.I32 || !in[3].Shape.Equal(in[0].Shape) {
				return nil, fmt.Errorf("op: zero point is %v, want int32%v", in[3], in[0].Shape)
			}
			if err := wantCodeScheme(op.(backend.ScaleZero).Scheme); err != nil {
				return nil, err
			}
			return []tensor.Spec{in[2], in[3]}, nil
		},
		NoGrad: rangeNoGrad,
		NoONNX: rangeNoONNX,
	})
}

// wantCodeScheme returns an error unless s is valid and has codes.
func wantCodeScheme(s quant.Scheme) error {
	if s.IsZero() {
		return fmt.Errorf("op: the scheme is float32, which has no scale")
	}
	if err := s.Validate(); err != nil {
		return fmt.Errorf("op: %w", err)
	}
	return nil
}
