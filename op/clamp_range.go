package op

import (
	"fmt"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/graph"
	"github.com/goqat/goqat/tensor"
)

func init() {
	graph.Register(backend.ClampRange{}, graph.Def{
		Infer: func(_ backend.Op, in []tensor.Spec) ([]tensor.Spec, error) {
			if err := want(in, 1, 2); err != nil {
				return nil, err
			}
			if in[0].DType != tensor.F32 {
				return nil, fmt.Errorf("op: input is %v, want float32", in[0].DType)
			}
			if e := at(in, 1); e.DType != tensor.Invalid && !e.Equal(tensor.Of(tensor.F32, 2)) {
				return nil, fmt.Errorf("op: ends are %v, want float32 [2]", e)
			}
			return one(tensor.Of(tensor.F32, 2)), nil
		},
		NoGrad: observerNoGrad,
		NoONNX: rangeNoONNX,
	})
}
