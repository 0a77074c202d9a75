package op_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/backend/cpu"
	"github.com/goqat/goqat/graph"
	"github.com/goqat/goqat/program"
	"github.com/goqat/goqat/tensor"
)

func withDropout(p float32) func(g *graph.Graph, in []graph.Value) graph.Value {
	return func(g *graph.Graph, in []graph.Value) graph.Value {
		return g.Apply(backend.Dropout{P: p}, in[0], g.State("seed", tensor.FromI64([]int64{5, 0}, 2)))
	}
}

func TestDropoutGradient(t *testing.T) {
	gradCheck(t, 1, withDropout(0.3), normal64(3, 1, 6, 7))
	gradCheckWith(t, 1, gradOptions{Mode: &graph.Mode{}}, withDropout(0.3), normal64(3, 1, 6, 7))
}

// TestDropoutSteps checks that each step has a mask of its own, that the same
// seed gives the same masks again, and that about P of the elements vanish.
func TestDropoutSteps(t *testing.T) {
	const n = 100_000
	ones := tensor.New(tensor.Of(tensor.F32, n))
	for i := range ones.F32() {
		ones.F32()[i] = 1
	}
	masks := func() [2][]float32 {
		g := graph.New()
		y := g.Apply(backend.Dropout{P: 0.25}, g.Input("x", tensor.Of(tensor.F32, n)), g.State("seed", tensor.FromI64([]int64{9, 0}, 2)))
		g.Output("y", y)
		ctx := context.Background()
		p, err := program.Compile(ctx, g, program.Options{Backend: cpu.New(), Mode: graph.Mode{Train: true}})
		require.NoError(t, err)
		require.NoError(t, p.SetInput(ctx, "x", ones))
		var out [2][]float32
		for i := range out {
			require.NoError(t, p.Run(ctx))
			y, err := p.OutputTensor(ctx, "y")
			require.NoError(t, err)
			out[i] = y.F32()
		}
		state, err := p.State().Read(ctx, "seed")
		require.NoError(t, err)
		require.Equal(t, []int64{9, 2}, state.I64())
		return out
	}
	a, b := masks(), masks()
	require.Equal(t, a, b)
	both, zeros := 0, 0
	for i, v := range a[0] {
		if v == 0 {
			zeros++
			if a[1][i] == 0 {
				both++
			}
		} else {
			require.Equal(t, float32(1/0.75), v)
		}
	}
	require.InDelta(t, 0.25*n, zeros, 700) // 5 standard deviations
	require.InDelta(t, 0.0625*n, both, 400)
}

func TestDropoutInEvaluationIsNothing(t *testing.T) {
	g := graph.New()
	x := g.Input("x", tensor.Of(tensor.F32, 4))
	g.Output("y", withDropout(0.5)(g, []graph.Value{x}))
	low, err := graph.Lower(g, graph.EvalFloat, 0)
	require.NoError(t, err)
	require.Empty(t, low.Nodes())
}
