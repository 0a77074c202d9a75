package op

import (
	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/graph"
	"github.com/goqat/goqat/tensor"
)

func init() {
	graph.Register(backend.ScaleBy{}, graph.Def{
		Infer: func(_ backend.Op, in []tensor.Spec) ([]tensor.Spec, error) {
			if err := want(in, 2, 2); err != nil {
				return nil, err
			}
			if err := wantFloat(in...); err != nil {
				return nil, err
			}
			if in[1].Numel() != 1 {
				return nil, errShapes(in)
			}
			return one(in[0]), nil
		},
		NoGrad: afterGradient,
		NoONNX: optimizerOnly,
	})
}
