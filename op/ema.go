package op

import (
	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/graph"
	"github.com/goqat/goqat/tensor"
)

func init() {
	graph.Register(backend.EMA{}, graph.Def{
		Infer: func(_ backend.Op, in []tensor.Spec) ([]tensor.Spec, error) {
			if err := want(in, 2, 2); err != nil {
				return nil, err
			}
			return one(in[0]), wantSame(in...)
		},
		NoGrad: afterGradient,
		NoONNX: optimizerOnly,
	})
}
