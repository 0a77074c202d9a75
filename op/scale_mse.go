package op

import (
	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/graph"
	"github.com/goqat/goqat/tensor"
)

func init() {
	graph.Register(backend.ScaleMSE{}, graph.Def{
		Infer: func(op backend.Op, in []tensor.Spec) ([]tensor.Spec, error) {
			if err := wantQuantizer(op.(backend.ScaleMSE).Scheme, in, 3); err != nil {
				return nil, err
			}
			return []tensor.Spec{in[1], in[2]}, nil
		},
		NoGrad: rangeNoGrad,
		NoONNX: rangeNoONNX,
	})
}
