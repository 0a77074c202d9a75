package op

import (
	"fmt"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/graph"
	"github.com/goqat/goqat/quant"
	"github.com/goqat/goqat/tensor"
)

func init() {
	graph.Register(backend.WeightCodes{}, graph.Def{
		Infer: func(op backend.Op, in []tensor.Spec) ([]tensor.Spec, error) {
			if err := want(in, 1, 1); err != nil {
				return nil, err
			}
			return weightCodes(op.(backend.WeightCodes).Scheme, in[0])
		},
		NoGrad: "it runs between steps, outside of what is differentiated",
		NoONNX: fusedNoONNX,
	})
}

// weightCodes returns the types of codes, least and greatest of x.
func weightCodes(s quant.Scheme, x tensor.Spec) ([]tensor.Spec, error) {
	ends := tensor.Of(tensor.F32, s.Params(x.Shape))
	if err := wantQuantizer(s, []tensor.Spec{x, ends, tensor.Of(tensor.I32, ends.Numel())}, 3); err != nil {
		return nil, err
	}
	if !inRows(s, x.Shape) {
		return nil, fmt.Errorf("op: channels of %v of %v do not lie one after another", s, x.Shape)
	}
	return []tensor.Spec{{DType: s.DType(), Shape: x.Shape}, ends, ends}, nil
}

// codedUpdate returns the types of the outputs of an optimizer that makes the
// codes of its parameter, from those of the optimizer alone and the last three
// inputs.
func codedUpdate(s quant.Scheme, updated, last []tensor.Spec) ([]tensor.Spec, error) {
	out, err := weightCodes(s, updated[0])
	if err != nil {
		return nil, err
	}
	for i := range out {
		if !last[i].Equal(out[i]) {
			return nil, errShapes(last)
		}
	}
	return append(out, updated...), nil
}
