package op

import (
	"fmt"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/graph"
	"github.com/goqat/goqat/tensor"
)

func init() {
	graph.Register(backend.SoftmaxCrossEntropy{}, graph.Def{
		Infer: func(op backend.Op, in []tensor.Spec) ([]tensor.Spec, error) {
			if err := want(in, 2, 2); err != nil {
				return nil, err
			}
			if err := checkLabels(op.(backend.SoftmaxCrossEntropy).Smoothing, in[0], in[1]); err != nil {
				return nil, err
			}
			return []tensor.Spec{tensor.Of(in[0].DType), in[0]}, nil
		},
		// The probabilities serve the gradient; they have none of their own.
		Grad: func(g *graph.Graph, n *graph.Node, d []graph.Value) []graph.Value {
			if !d[1].Absent() {
				g.Fail(fmt.Errorf("op: node %s: the probabilities of a cross entropy have no gradient, use softmax", n.Name))
				return nil
			}
			op := backend.SoftmaxCrossEntropyGrad(n.Op.(backend.SoftmaxCrossEntropy))
			return []graph.Value{g.Apply(op, d[0], n.Out[1], n.In[1]), {}}
		},
		ONNX: "SoftmaxCrossEntropyLoss",
	})
	graph.Register(backend.SoftmaxCrossEntropyTrain{}, graph.Def{
		Infer: func(op backend.Op, in []tensor.Spec) ([]tensor.Spec, error) {
			if err := want(in, 2, 2); err != nil {
				return nil, err
			}
			if err := checkLabels(op.(backend.SoftmaxCrossEntropyTrain).Smoothing, in[0], in[1]); err != nil {
				return nil, err
			}
			return []tensor.Spec{tensor.Of(in[0].DType), in[0]}, nil
		},
		// The gradient is there already, for a loss that is the root.
		Grad: func(g *graph.Graph, n *graph.Node, d []graph.Value) []graph.Value {
			if !d[1].Absent() {
				g.Fail(fmt.Errorf("op: node %s: the gradient of a cross entropy has none itself", n.Name))
				return nil
			}
			dx := n.Out[1]
			if !isOne(d[0]) {
				dx = g.Apply(backend.ScaleBy{}, dx, d[0])
			}
			return []graph.Value{dx, {}}
		},
		NoONNX: fusedNoONNX,
	})
	graph.RegisterFusion(fuseCrossEntropy)
	graph.Register(backend.SoftmaxCrossEntropyGrad{}, graph.Def{
		Infer: func(op backend.Op, in []tensor.Spec) ([]tensor.Spec, error) {
			if err := want(in, 3, 3); err != nil {
				return nil, err
			}
			if err := wantFloat(in[0], in[1]); err != nil {
				return nil, err
			}
			if in[0].Numel() != 1 {
				return nil, errShapes(in)
			}
			if err := checkLabels(op.(backend.SoftmaxCrossEntropyGrad).Smoothing, in[1], in[2]); err != nil {
				return nil, err
			}
			return one(in[1]), nil
		},
		NoGrad: noSecond,
		NoONNX: backwardOnly,
	})
}

func checkLabels(smoothing float32, logits, labels tensor.Spec) error {
	if err := wantFloat(logits); err != nil {
		return err
	}
	s := logits.Shape
	if len(s) == 0 || labels.DType != tensor.I32 || !labels.Shape.Equal(s[:len(s)-1]) {
		return fmt.Errorf("op: labels are %v, want int32 of the shape of the logits %v without the last dimension", labels, s)
	}
	if !(smoothing >= 0 && smoothing <= 1) {
		return fmt.Errorf("op: label smoothing %v is not in [0, 1]", smoothing)
	}
	return nil
}
