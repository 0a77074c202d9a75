package op

import (
	"fmt"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/graph"
	"github.com/goqat/goqat/tensor"
)

func init() {
	graph.Register(backend.ObserveHistogram{}, graph.Def{
		Infer: func(op backend.Op, in []tensor.Spec) ([]tensor.Spec, error) {
			if err := want(in, 3, 3); err != nil {
				return nil, err
			}
			if err := wantReal(in[0]); err != nil {
				return nil, err
			}
			if err := wantHistogram(in[1], in[2]); err != nil {
				return nil, err
			}
			if bins := op.(backend.ObserveHistogram).Bins; in[1].Numel() != bins {
				return nil, fmt.Errorf("op: counts are %v, the operation has %d bins", in[1], bins)
			}
			return []tensor.Spec{in[1], in[2]}, nil
		},
		NoGrad: observerNoGrad,
		NoONNX: rangeNoONNX,
	})
}

// wantHistogram returns an error unless counts and ends are those of a
// histogram.
func wantHistogram(counts, ends tensor.Spec) error {
	if counts.DType != tensor.I64 || len(counts.Shape) != 1 || counts.Shape[0] < 2 || counts.Shape[0] > backend.MaxHistogramBins {
		return fmt.Errorf("op: counts are %v, want int64 of 2 to %d bins", counts, backend.MaxHistogramBins)
	}
	if !ends.Equal(tensor.Of(tensor.F32, 2)) {
		return fmt.Errorf("op: range is %v, want float32[2]", ends)
	}
	return nil
}
