package op

import (
	"fmt"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/graph"
	"github.com/goqat/goqat/tensor"
)

func init() {
	graph.Register(backend.AdoptRange{}, graph.Def{
		Infer: func(op backend.Op, in []tensor.Spec) ([]tensor.Spec, error) {
			if err := want(in, 6, 6); err != nil {
				return nil, err
			}
			if err := op.(backend.AdoptRange).Scheme.Validate(); err != nil {
				return nil, fmt.Errorf("op: %w", err)
			}
			ends := in[0]
			if ends.DType != tensor.F32 || len(ends.Shape) != 1 || !in[5].Equal(tensor.Of(tensor.I32, ends.Numel())) {
				return nil, errShapes(in)
			}
			for _, s := range in[1:5] {
				if !s.Equal(ends) {
					return nil, errShapes(in)
				}
			}
			return in[2:6], nil
		},
		NoGrad: observerNoGrad,
		NoONNX: rangeNoONNX,
	})
}
