package op

import (
	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/graph"
	"github.com/goqat/goqat/tensor"
)

func init() {
	graph.Register(backend.GradNorm{}, graph.Def{
		Infer: func(_ backend.Op, in []tensor.Spec) ([]tensor.Spec, error) {
			if err := want(in, max(1, len(in)), len(in)); err != nil {
				return nil, err
			}
			return one(tensor.Of(in[0].DType, 1)), wantFloat(in...)
		},
		NoGrad: afterGradient,
		NoONNX: optimizerOnly,
	})
}
