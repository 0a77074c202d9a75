package op

import (
	"fmt"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/graph"
	"github.com/goqat/goqat/tensor"
)

const (
	afterGradient = "it runs on gradients, after the backward pass"
	optimizerOnly = "part of the optimizer"
)

func init() {
	graph.Register(backend.SGD{}, graph.Def{
		Infer: func(op backend.Op, in []tensor.Spec) ([]tensor.Spec, error) {
			if err := want(in, 2, 5); err != nil {
				return nil, err
			}
			v := at(in, 2)
			if m := op.(backend.SGD).Momentum; (m != 0) != (v.DType != tensor.Invalid) {
				return nil, fmt.Errorf("op: momentum %v and velocity %v: want a velocity exactly when there is momentum", m, v)
			}
			if err := checkRate(at(in, 3)); err != nil {
				return nil, err
			}
			if m := at(in, 4); m.DType != tensor.Invalid && (!m.Equal(tensor.Of(tensor.F32, 1)) || v.DType == tensor.Invalid) {
				return nil, fmt.Errorf("op: the momentum is %v, want float32[1] beside a velocity", m)
			}
			if v.DType == tensor.Invalid {
				return one(in[0]), wantSame(in[0], in[1])
			}
			return []tensor.Spec{in[0], v}, wantSame(in[0], in[1], v)
		},
		NoGrad: afterGradient,
		NoONNX: optimizerOnly,
	})
}

// wantSame returns an error unless all inputs are float of one type and shape.
func wantSame(in ...tensor.Spec) error {
	if err := wantFloat(in...); err != nil {
		return err
	}
	for _, s := range in[1:] {
		if !s.Equal(in[0]) {
			return errShapes(in)
		}
	}
	return nil
}

func checkRate(lr tensor.Spec) error {
	if !lr.Equal(tensor.Of(tensor.F32, 1)) {
		return fmt.Errorf("op: the learning rate is %v, want float32[1]", lr)
	}
	return nil
}
