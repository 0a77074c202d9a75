package op

import (
	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/graph"
	"github.com/goqat/goqat/tensor"
)

func init() {
	graph.Register(backend.SGDQuantizeWeight{}, graph.Def{
		Infer: func(op backend.Op, in []tensor.Spec) ([]tensor.Spec, error) {
			o := op.(backend.SGDQuantizeWeight)
			if err := want(in, 2, 8); err != nil {
				return nil, err
			}
			if len(in) != 8 {
				return nil, want(in, 8, 8)
			}
			updated, err := graph.Lookup(o.SGD.OpName()).Infer(o.SGD, in[:5])
			if err != nil {
				return nil, err
			}
			return codedUpdate(o.Scheme, updated, in[5:])
		},
		NoGrad: afterGradient,
		NoONNX: optimizerOnly,
	})
}
