package op

import (
	"fmt"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/graph"
	"github.com/goqat/goqat/tensor"
)

func init() {
	graph.Register(backend.BiasGrad{}, graph.Def{
		Infer: func(_ backend.Op, in []tensor.Spec) ([]tensor.Spec, error) {
			if err := want(in, 1, 1); err != nil {
				return nil, err
			}
			if err := wantFloat(in...); err != nil {
				return nil, err
			}
			if len(in[0].Shape) == 0 {
				return nil, fmt.Errorf("op: gradient %v has no channels", in[0])
			}
			return one(tensor.Of(in[0].DType, in[0].Shape.Last())), nil
		},
		NoGrad: "gradients of gradients are not offered",
		NoONNX: "part of the backward pass",
	})
}
