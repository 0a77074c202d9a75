package op

import (
	"fmt"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/graph"
	"github.com/goqat/goqat/tensor"
)

func init() {
	graph.Register(backend.Increment{}, graph.Def{
		Infer: func(_ backend.Op, in []tensor.Spec) ([]tensor.Spec, error) {
			if err := want(in, 1, 1); err != nil {
				return nil, err
			}
			if in[0].DType != tensor.I64 || len(in[0].Shape) != 1 || in[0].Shape[0] < 1 {
				return nil, fmt.Errorf("op: the counter is %v, want int64 [n]", in[0])
			}
			return one(in[0]), nil
		},
		NoGrad: "a counter is an integer",
		NoONNX: optimizerOnly,
	})
}
