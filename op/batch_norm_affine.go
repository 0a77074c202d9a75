package op

import (
	"fmt"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/graph"
	"github.com/goqat/goqat/tensor"
)

const fusedNoONNX = "part of the training step"

func init() {
	graph.Register(backend.BatchNormAffine{}, graph.Def{
		Infer: func(_ backend.Op, in []tensor.Spec) ([]tensor.Spec, error) {
			if err := want(in, 5, 6); err != nil {
				return nil, err
			}
			if _, err := inferBatchNorm(nil, in[:5]); err != nil {
				return nil, err
			}
			if in[0].DType != tensor.F32 {
				return nil, fmt.Errorf("op: input is %v, want float32", in[0].DType)
			}
			if s := in[0].Shape; s[:len(s)-1].Numel() < 2 {
				return nil, fmt.Errorf("op: batch statistics need more than one value a channel, input %v", s)
			}
			c := in[1].Shape[0]
			if m := at(in, 5); m.DType != tensor.Invalid && !m.Equal(tensor.Of(tensor.F64, 4, c)) {
				return nil, fmt.Errorf("op: moments are %v, want float64 [4 %d]", m, c)
			}
			return []tensor.Spec{tensor.Of(tensor.F32, 4, c), tensor.Of(tensor.F32, 2), in[3], in[4]}, nil
		},
		NoGrad: "quantize_activation, which applies it, has the gradient of both",
		NoONNX: fusedNoONNX,
	})
}
