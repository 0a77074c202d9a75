package op

import (
	"fmt"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/graph"
	"github.com/goqat/goqat/tensor"
)

func init() {
	const form = "a form of batch_norm"
	graph.Register(backend.BatchNorm{}, graph.Def{
		Infer:  inferBatchNorm,
		NoGrad: "lowering replaces it by its training or its evaluation form",
		ONNX:   "BatchNormalization",
		Mode: func(g *graph.Graph, n *graph.Node, in []graph.Value, m graph.Mode) []graph.Value {
			bn := n.Op.(backend.BatchNorm)
			if m.Train && !m.FreezeBN {
				out := g.ApplyN(backend.BatchNormTrain(bn), in...)
				return out[:min(len(out), 1)]
			}
			return g.ApplyN(backend.BatchNormEval{Eps: bn.Eps}, in...)
		},
	})
	graph.Register(backend.BatchNormTrain{}, graph.Def{
		Infer: func(op backend.Op, in []tensor.Spec) ([]tensor.Spec, error) {
			out, err := inferBatchNorm(op, in)
			if err != nil {
				return nil, err
			}
			if s := in[0].Shape; s[:len(s)-1].Numel() < 2 {
				return nil, fmt.Errorf("op: batch statistics need more than one value a channel, input %v", s)
			}
			return append(out, in[1], in[1], in[3], in[4]), nil
		},
		Grad: func(g *graph.Graph, n *graph.Node, d []graph.Value) []graph.Value {
			out := make([]graph.Value, 5)
			if !d[0].Absent() {
				copy(out, g.ApplyN(backend.BatchNormGrad{}, d[0], n.In[0], n.In[1], n.Out[1], n.Out[2]))
			}
			return out
		},
		NoONNX: form,
	})
	graph.Register(backend.BatchNormEval{}, graph.Def{
		Infer: inferBatchNorm,
		Grad: func(g *graph.Graph, n *graph.Node, d []graph.Value) []graph.Value {
			out := make([]graph.Value, 5)
			op := backend.BatchNormEvalGrad(n.Op.(backend.BatchNormEval))
			copy(out, g.ApplyN(op, d[0], n.In[0], n.In[1], n.In[3], n.In[4]))
			return out
		},
		Recompute: true,
		NoONNX:    form,
	})
	for _, op := range []backend.Op{backend.BatchNormGrad{}, backend.BatchNormEvalGrad{}} {
		graph.Register(op, graph.Def{
			Infer:  inferBatchNormGrad,
			NoGrad: "gradients of gradients are not offered",
			NoONNX: "part of the backward pass",
		})
	}
}

// inferBatchNorm checks x [..., channels] and four tensors of [channels].
func inferBatchNorm(_ backend.Op, in []tensor.Spec) ([]tensor.Spec, error) {
	if err := want(in, 5, 5); err != nil {
		return nil, err
	}
	return one(in[0]), wantChannels(in, 1)
}

// inferBatchNormGrad checks dy and x [..., channels] and three tensors of
// [channels].
func inferBatchNormGrad(_ backend.Op, in []tensor.Spec) ([]tensor.Spec, error) {
	if err := want(in, 5, 5); err != nil {
		return nil, err
	}
	if err := wantChannels(in, 2); err != nil {
		return nil, err
	}
	return []tensor.Spec{in[1], in[2], in[2]}, nil
}

// wantChannels returns an error unless the first n inputs are float
// [..., channels] of one shape and the others [channels].
func wantChannels(in []tensor.Spec, n int) error {
	if err := wantFloat(in...); err != nil {
		return err
	}
	x := in[0].Shape
	if len(x) < 2 {
		return fmt.Errorf("op: input %v, want [..., channels]", x)
	}
	for i, s := range in[1:] {
		want := x
		if i+1 >= n {
			want = x[len(x)-1:]
		}
		if !s.Shape.Equal(want) {
			return fmt.Errorf("op: input %d is %v, want %v", i+1, s.Shape, want)
		}
	}
	return nil
}
