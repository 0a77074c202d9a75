package op

import (
	"fmt"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/graph"
	"github.com/goqat/goqat/quant"
	"github.com/goqat/goqat/tensor"
)

const (
	observerNoGrad = "it observes values: gradients do not reach ranges"
	rangeNoGrad    = "it chooses scales from statistics: gradients do not reach them"
	rangeNoONNX    = "ranges are not part of a finished model"
)

func init() {
	graph.Register(backend.ObserveMinMax{}, graph.Def{
		Infer: func(op backend.Op, in []tensor.Spec) ([]tensor.Spec, error) {
			o := op.(backend.ObserveMinMax)
			if err := want(in, 3, 3); err != nil {
				return nil, err
			}
			if wantReal(in[0]) != nil || in[1].DType != tensor.F32 || !in[1].Equal(in[2]) {
				return nil, fmt.Errorf("op: inputs %v, want float32 or bfloat16 x, float32 min and max", in)
			}
			if !(o.Momentum >= 0 && o.Momentum <= 1) {
				return nil, fmt.Errorf("op: momentum %v is not in [0, 1]", o.Momentum)
			}
			l, err := quant.Scheme{Grain: o.Grain}.Layout(in[0].Shape)
			if err != nil {
				return nil, fmt.Errorf("op: %w", err)
			}
			if in[1].Shape.Check() != nil || in[1].Numel() != l.Channels {
				return nil, fmt.Errorf("op: min and max are %v, want %d for %v of %v", in[1], l.Channels, o.Grain, in[0].Shape)
			}
			return []tensor.Spec{in[1], in[2]}, nil
		},
		NoGrad: observerNoGrad,
		NoONNX: rangeNoONNX,
	})
}
