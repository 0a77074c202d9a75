package op_test

import (
	"context"
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/backend/cpu"
	"github.com/goqat/goqat/graph"
	"github.com/goqat/goqat/program"
	"github.com/goqat/goqat/tensor"
)

// batchNorm returns a builder with running statistics as states.
func batchNorm(channels int) func(g *graph.Graph, in []graph.Value) graph.Value {
	return func(g *graph.Graph, in []graph.Value) graph.Value {
		mean, variance := normal64(8, 1, channels), normal64(9, 1, channels)
		for i, v := range variance.F64() {
			variance.F64()[i] = v*v + 0.2
		}
		return g.Apply(backend.BatchNorm{Eps: 1e-3, Momentum: 0.1}, in[0], in[1], in[2], g.State("mean", mean), g.State("variance", variance))
	}
}

func TestBatchNormGradient(t *testing.T) {
	for _, shape := range []tensor.Shape{{6, 3}, {2, 3, 4, 5}} {
		c := shape.Last()
		in := []*tensor.Tensor{normal64(1, 2, shape...), normal64(2, 1, c), normal64(3, 1, c)}
		gradCheck(t, 1, batchNorm(c), in...)
		for _, m := range []graph.Mode{{Train: true, FreezeBN: true}, {}} {
			gradCheckWith(t, 1, gradOptions{Mode: &m}, batchNorm(c), in...)
		}
	}
}

// TestBatchNormModes: training moves the running statistics, with the
// unbiased variance, and the other modes leave them alone.
func TestBatchNormModes(t *testing.T) {
	ctx := context.Background()
	x := tensor.FromF32([]float32{1, 2, 3, 6}, 4, 1)
	for _, c := range []struct {
		mode           graph.Mode
		mean, variance float64
		y              float64 // of the first element
	}{
		{graph.Mode{Train: true}, 0.1 * 3, 0.9 + 0.1*14.0/3, -2 / math.Sqrt(3.5)},
		{graph.Mode{Train: true, FreezeBN: true}, 0, 1, 1},
		{graph.Mode{}, 0, 1, 1},
	} {
		g := graph.New()
		one := tensor.FromF32([]float32{1}, 1)
		zero := tensor.FromF32([]float32{0}, 1)
		g.Output("y", g.Apply(backend.BatchNorm{Momentum: 0.1}, g.Input("x", x.Spec()), g.Param("gamma", one), g.Param("beta", zero), g.State("mean", zero), g.State("variance", one)))
		p, err := program.Compile(ctx, g, program.Options{Backend: cpu.New(), Mode: c.mode})
		require.NoError(t, err)
		require.NoError(t, p.SetInput(ctx, "x", x))
		require.NoError(t, p.Run(ctx))
		for name, want := range map[string]float64{"mean": c.mean, "variance": c.variance} {
			got, err := p.State().Read(ctx, name)
			require.NoError(t, err)
			assert.InDelta(t, want, got.At(0), 1e-6, "%s in %+v", name, c.mode)
		}
		y, err := p.OutputTensor(ctx, "y")
		require.NoError(t, err)
		assert.InDelta(t, c.y, y.At(0), 1e-6)
	}
}

func TestBatchNormNeedsTwoValues(t *testing.T) {
	c := tensor.Of(tensor.F32, 3)
	_, err := graph.Lookup("batch_norm_train").Infer(backend.BatchNormTrain{}, []tensor.Spec{tensor.Of(tensor.F32, 1, 3), c, c, c, c})
	assert.ErrorContains(t, err, "more than one value")
	for _, in := range [][]tensor.Spec{nil, {tensor.Of(tensor.F32, 3), c, c, c, c}, {tensor.Of(tensor.F32, 2, 4), c, c, c, c}, {tensor.Of(tensor.F32, 2, 3), c, c, c, {}}} {
		for _, op := range []backend.Op{backend.BatchNorm{}, backend.BatchNormTrain{}, backend.BatchNormEval{}, backend.BatchNormGrad{}, backend.BatchNormEvalGrad{}} {
			_, err := graph.Lookup(op.OpName()).Infer(op, in)
			assert.Error(t, err, "%s%v", op.OpName(), in)
		}
	}
}
