package op

import (
	"fmt"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/graph"
	"github.com/goqat/goqat/tensor"
)

func init() {
	graph.Register(backend.Dropout{}, graph.Def{
		Infer: func(op backend.Op, in []tensor.Spec) ([]tensor.Spec, error) {
			out, err := inferDropout(op.(backend.Dropout).P, in)
			return out[:min(len(out), 1)], err
		},
		NoGrad: "a program differentiates dropout_train, or nothing in evaluation",
		ONNX:   "Dropout",
		Mode: func(g *graph.Graph, n *graph.Node, in []graph.Value, m graph.Mode) []graph.Value {
			if !m.Train {
				return in[:1]
			}
			out := g.ApplyN(backend.DropoutTrain{P: n.Op.(backend.Dropout).P}, in...)
			return out[:min(len(out), 1)]
		},
		Integer: &graph.IntegerDef{Pass: func(r *graph.Rewrite, n *graph.Node) (graph.Codes, bool) {
			if r.Mode.Train {
				return graph.Codes{}, false
			}
			return r.Codes(n.In[0])
		}},
	})
	graph.Register(backend.DropoutTrain{}, graph.Def{
		Infer: func(op backend.Op, in []tensor.Spec) ([]tensor.Spec, error) {
			return inferDropout(op.(backend.DropoutTrain).P, in)
		},
		Grad: func(g *graph.Graph, n *graph.Node, d []graph.Value) []graph.Value {
			if d[0].Absent() {
				return make([]graph.Value, 2)
			}
			return []graph.Value{g.Apply(backend.DropoutGrad(n.Op.(backend.DropoutTrain)), d[0], n.Out[1]), {}}
		},
		NoONNX: "the training form of dropout",
	})
	graph.Register(backend.DropoutGrad{}, graph.Def{
		Infer: func(op backend.Op, in []tensor.Spec) ([]tensor.Spec, error) {
			out, err := inferDropout(op.(backend.DropoutGrad).P, in)
			return out[:min(len(out), 1)], err
		},
		NoGrad: noSecond,
		NoONNX: backwardOnly,
	})
}

func inferDropout(p float32, in []tensor.Spec) ([]tensor.Spec, error) {
	if err := want(in, 2, 2); err != nil {
		return nil, err
	}
	if err := wantFloat(in[0]); err != nil {
		return nil, err
	}
	if !in[1].Equal(tensor.Of(tensor.I64, 2)) {
		return nil, fmt.Errorf("op: the state of a dropout is %v, want int64[2]: seed and step", in[1])
	}
	if !(p >= 0 && p <= 1) {
		return nil, fmt.Errorf("op: dropout probability %v is not in [0, 1]", p)
	}
	return []tensor.Spec{in[0], in[1]}, nil
}
