package op

import (
	"fmt"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/graph"
	"github.com/goqat/goqat/quant"
	"github.com/goqat/goqat/tensor"
)

func init() {
	graph.Register(backend.Requantize{}, graph.Def{
		Infer: func(op backend.Op, in []tensor.Spec) ([]tensor.Spec, error) {
			o := op.(backend.Requantize)
			if err := wantPerTensor(o.In); err != nil {
				return nil, err
			}
			if len(in) > 0 && in[0].DType != o.In.DType() {
				return nil, fmt.Errorf("op: codes are %v, the scheme says %v", in[0].DType, o.In)
			}
			return inferCodeTable(o.Scheme, in)
		},
		Grad: func(g *graph.Graph, n *graph.Node, d []graph.Value) []graph.Value {
			return []graph.Value{g.Apply(backend.STEGrad{}, d[0], n.Out[1])}
		},
		NoONNX: "written as DequantizeLinear and QuantizeLinear",
	})
}

// inferCodeTable is the inference of operations from codes with one scale and
// zero point to codes of the scheme with others.
func inferCodeTable(s quant.Scheme, in []tensor.Spec) ([]tensor.Spec, error) {
	if err := want(in, 5, 5); err != nil {
		return nil, err
	}
	if !in[0].DType.Code() {
		return nil, fmt.Errorf("op: codes are %v, want int8 or uint8", in[0].DType)
	}
	if err := wantPerTensor(s); err != nil {
		return nil, err
	}
	if err := wantOneScale("x", in[1], in[2]); err != nil {
		return nil, err
	}
	if err := wantOneScale("the result", in[3], in[4]); err != nil {
		return nil, err
	}
	return []tensor.Spec{{DType: s.DType(), Shape: in[0].Shape}, {DType: tensor.B1, Shape: in[0].Shape}}, nil
}

// wantPerTensor returns an error unless s is valid, has codes and one scale.
func wantPerTensor(s quant.Scheme) error {
	if err := wantCodeScheme(s); err != nil {
		return err
	}
	if s.Grain.Kind != quant.PerTensor {
		return fmt.Errorf("op: scheme %v, want one scale", s)
	}
	return nil
}
