package op

import (
	"fmt"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/graph"
	"github.com/goqat/goqat/tensor"
)

func init() {
	const between = "part of a training on several devices"
	graph.Register(backend.AllReduce{}, graph.Def{
		Infer: func(op backend.Op, in []tensor.Spec) ([]tensor.Spec, error) {
			if o := op.(backend.AllReduce); o.Least < 0 || o.Greatest < 0 || o.Least+o.Greatest > len(in) {
				return nil, fmt.Errorf("op: all_reduce of %d tensors, %d by the least and %d by the greatest value", len(in), o.Least, o.Greatest)
			}
			return inferAllReduce(in)
		},
		NoGrad: afterGradient,
		NoONNX: between,
	})
	graph.Register(backend.AllReduceWait{}, graph.Def{
		Infer:  func(_ backend.Op, in []tensor.Spec) ([]tensor.Spec, error) { return inferAllReduce(in) },
		NoGrad: afterGradient,
		NoONNX: between,
	})
}

func inferAllReduce(in []tensor.Spec) ([]tensor.Spec, error) {
	if err := want(in, max(1, len(in)), len(in)); err != nil {
		return nil, err
	}
	return in, wantFloat(in...)
}
