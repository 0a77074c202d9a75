package op

import (
	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/graph"
	"github.com/goqat/goqat/tensor"
)

func init() {
	graph.Register(backend.AdamQuantizeWeight{}, graph.Def{
		Infer: func(op backend.Op, in []tensor.Spec) ([]tensor.Spec, error) {
			o := op.(backend.AdamQuantizeWeight)
			if err := want(in, 9, 9); err != nil {
				return nil, err
			}
			updated, err := graph.Lookup(o.Adam.OpName()).Infer(o.Adam, in[:6])
			if err != nil {
				return nil, err
			}
			return codedUpdate(o.Scheme, updated, in[6:])
		},
		NoGrad: afterGradient,
		NoONNX: optimizerOnly,
	})
}
