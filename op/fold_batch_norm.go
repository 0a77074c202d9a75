package op

import (
	"errors"
	"fmt"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/graph"
	"github.com/goqat/goqat/tensor"
)

func init() {
	graph.Register(backend.FoldBatchNorm{}, graph.Def{
		Infer:  inferFoldBatchNorm,
		Grad:   gradFoldBatchNorm,
		NoONNX: "its results are written as the weights and the bias of the layer",
	})
	graph.Register(backend.FoldBatchNormGrad{}, graph.Def{
		Infer:  inferFoldBatchNormGrad,
		NoGrad: "gradients of gradients are not offered",
		NoONNX: "part of the backward pass",
	})
}

// wantFoldWeight checks codes and scale of the weight of a fold.
func wantFoldWeight(in []tensor.Spec, codes, scale int) error {
	w := in[codes]
	if w.DType != tensor.I8 || len(w.Shape) < 1 {
		return fmt.Errorf("op: weight codes %v, want int8 [out, ...]", w)
	}
	return wantEntries(in, scale, "scale of the weight", tensor.F32, 1, w.Shape[0])
}

func inferFoldBatchNorm(_ backend.Op, in []tensor.Spec) ([]tensor.Spec, error) {
	if err := wantPresent(in, 8, 0, 1, 2); err != nil {
		return nil, err
	}
	if err := wantFoldWeight(in, 0, 1); err != nil {
		return nil, err
	}
	o := in[0].Shape[0]
	errs := []error{wantEntries(in, 2, "scale of x", tensor.F32, 1)}
	for i, what := range []string{"bias", "gamma", "beta", "mean", "variance"} {
		errs = append(errs, wantEntries(in, 3+i, what, tensor.F32, o))
		if i > 0 && present(in, 3+i) != present(in, 4) {
			errs = append(errs, fmt.Errorf("op: gamma, beta, mean and variance come together, %s does not", what))
		}
	}
	return []tensor.Spec{in[0], tensor.Of(tensor.F32, o), tensor.Of(tensor.I32, o)}, errors.Join(errs...)
}

func gradFoldBatchNorm(g *graph.Graph, n *graph.Node, d []graph.Value) []graph.Value {
	in := make([]graph.Value, len(n.In))
	if d[0].Absent() && d[2].Absent() {
		return in
	}
	gamma := value(n.In, 4)
	if gamma.Absent() { // Without batch normalization the real values pass through.
		in[0] = d[0]
		if len(in) > 3 {
			in[3] = d[2]
		}
		return in
	}
	op := backend.FoldBatchNormGrad{Eps: n.Op.(backend.FoldBatchNorm).Eps}
	out := g.ApplyN(op, d[0], d[2], n.In[0], n.In[1], n.In[3], gamma, n.In[6], n.In[7])
	if len(out) == 0 {
		return in
	}
	in[0], in[3], in[4], in[5] = out[0], out[1], out[2], out[3]
	return in
}

func inferFoldBatchNormGrad(_ backend.Op, in []tensor.Spec) ([]tensor.Spec, error) {
	if err := wantPresent(in, 8, 2, 3, 5, 6, 7); err != nil {
		return nil, err
	}
	if err := wantFoldWeight(in, 2, 3); err != nil {
		return nil, err
	}
	w := tensor.Spec{DType: tensor.F32, Shape: in[2].Shape}
	o := w.Shape[0]
	if present(in, 0) && !in[0].Equal(w) {
		return nil, fmt.Errorf("op: gradient of the weight is %v, want %v", in[0], w)
	}
	err := errors.Join(
		wantEntries(in, 1, "gradient of the bias", tensor.F32, o),
		wantEntries(in, 4, "bias", tensor.F32, o),
		wantEntries(in, 5, "gamma", tensor.F32, o),
		wantEntries(in, 6, "mean", tensor.F32, o),
		wantEntries(in, 7, "variance", tensor.F32, o))
	v := tensor.Of(tensor.F32, o)
	return []tensor.Spec{w, v, v, v}, err
}
