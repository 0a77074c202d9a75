package op

import (
	"fmt"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/graph"
	"github.com/goqat/goqat/tensor"
)

func init() {
	graph.Register(backend.ScaleSearch{}, graph.Def{
		Infer: func(op backend.Op, in []tensor.Spec) ([]tensor.Spec, error) {
			o := op.(backend.ScaleSearch)
			if err := want(in, 4, 4); err != nil {
				return nil, err
			}
			if err := wantHistogram(in[0], in[1]); err != nil {
				return nil, err
			}
			if err := wantCodeScheme(o.Scheme); err != nil {
				return nil, err
			}
			if err := wantOneScale("result", in[2], in[3]); err != nil {
				return nil, err
			}
			switch {
			case o.Method > backend.SearchEntropy:
				return nil, fmt.Errorf("op: unknown method %v", o.Method)
			case o.Method == backend.SearchPercentile && !(o.Percentile > 0 && o.Percentile <= 100):
				return nil, fmt.Errorf("op: percentile %v is not in (0, 100]", o.Percentile)
			}
			return []tensor.Spec{in[2], in[3]}, nil
		},
		NoGrad: rangeNoGrad,
		NoONNX: rangeNoONNX,
	})
}

// wantOneScale returns an error unless scale and zero are a single float32
// and a single int32.
func wantOneScale(what string, scale, zero tensor.Spec) error {
	if scale.DType != tensor.F32 || scale.Shape.Check() != nil || scale.Numel() != 1 {
		return fmt.Errorf("op: scale of %s is %v, want one float32", what, scale)
	}
	if zero.DType != tensor.I32 || zero.Shape.Check() != nil || zero.Numel() != 1 {
		return fmt.Errorf("op: zero point of %s is %v, want one int32", what, zero)
	}
	return nil
}
