package op

import (
	"fmt"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/graph"
	"github.com/goqat/goqat/tensor"
)

func init() {
	graph.Register(backend.DynamicQuantizeRows{}, graph.Def{
		Infer: func(_ backend.Op, in []tensor.Spec) ([]tensor.Spec, error) {
			if err := want(in, 1, 1); err != nil {
				return nil, err
			}
			if err := wantReal(in[0]); err != nil {
				return nil, err
			}
			n := len(in[0].Shape)
			if n == 0 {
				return nil, fmt.Errorf("op: %v has no rows", in[0])
			}
			rows := in[0].Shape.Clone()
			rows[n-1] = 1
			return []tensor.Spec{{DType: tensor.I8, Shape: in[0].Shape}, {DType: tensor.F32, Shape: rows}}, nil
		},
		// Nothing clips: the gradient of the codes is that of the numbers they
		// stand for.
		Grad: func(_ *graph.Graph, _ *graph.Node, d []graph.Value) []graph.Value {
			return []graph.Value{d[0]}
		},
		NoONNX: "ONNX has dynamic quantization of whole tensors only",
	})
}
