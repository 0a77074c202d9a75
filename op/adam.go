package op

import (
	"fmt"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/graph"
	"github.com/goqat/goqat/tensor"
)

func init() {
	graph.Register(backend.Adam{}, graph.Def{
		Infer: func(_ backend.Op, in []tensor.Spec) ([]tensor.Spec, error) {
			if err := want(in, 6, 6); err != nil {
				return nil, err
			}
			if err := checkRate(in[4]); err != nil {
				return nil, err
			}
			if !in[5].Equal(tensor.Of(tensor.I64, 1)) {
				return nil, fmt.Errorf("op: the step is %v, want int64[1]", in[5])
			}
			return []tensor.Spec{in[0], in[2], in[3]}, wantSame(in[:4]...)
		},
		NoGrad: afterGradient,
		NoONNX: optimizerOnly,
	})
}
