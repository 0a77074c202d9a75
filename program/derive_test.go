package program_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/goqat/goqat/backend"
	gocpu "github.com/goqat/goqat/backend/cpu"
	"github.com/goqat/goqat/graph"
	"github.com/goqat/goqat/program"
	"github.com/goqat/goqat/quant"
	"github.com/goqat/goqat/tensor"
)

// codedWeight is loss = sum(dequantize(quantize(w))^2), whose gradient is
// twice the quantized weight, and SGD; extend changes the graph before
// gradients.
func codedWeight(t *testing.T, b backend.Backend, state *program.State, extend func(g *graph.Graph, q []graph.Value)) *program.Program {
	t.Helper()
	g := graph.New()
	w := g.Param("w", tensor.FromF32([]float32{1, -2, 0.5, 4, 3, -1}, 2, 3))
	column := func(name string) graph.Value { return g.State(name, tensor.New(tensor.Of(tensor.F32, 2))) }
	s := quant.Weights(8)
	q := g.ApplyNamed("quantize", backend.QuantizeWeight{Rule: quant.PyTorch, Scheme: s, Momentum: 1}, w, column("min"), column("max"), column("scale"),
		g.State("zero", tensor.New(tensor.Of(tensor.I32, 2))))
	y := g.Apply(backend.DequantizeLinear{Scheme: s}, q[0], q[4], q[5])
	g.Output("loss", g.Apply(backend.Reduce{Kind: backend.ReduceSum}, g.Apply(backend.Mul{}, y, y)))
	if extend != nil {
		extend(g, q)
	}
	require.NoError(t, g.Err())
	p, err := program.Compile(context.Background(), g, program.Options{Backend: b, State: state, Lowered: true, Loss: "loss",
		Update: func(g *graph.Graph, params, grads []graph.Value) error {
			g.Apply(backend.SGD{}, params[0], grads[0], graph.Value{}, g.Const("rate", tensor.FromF32([]float32{0.125}, 1)))
			return g.Err()
		}})
	require.NoError(t, err)
	return p
}

func fused(p *program.Program) bool { return len(p.Graph().Derivations()) > 0 }

// TestDerivedValuesOfRecordedSteps: what makes stale codes again is no part of
// the recorded step, and all is given back.
func TestDerivedValuesOfRecordedSteps(t *testing.T) {
	ctx := context.Background()
	r := &recorder{Backend: gocpu.New()}
	p := codedWeight(t, r, nil, nil)
	plain := codedWeight(t, &recorder{Backend: gocpu.New(), lacks: map[string]bool{"sgd_quantize_weight": true}}, nil, nil)
	require.True(t, fused(p))
	require.False(t, fused(plain))
	run := func() {
		t.Helper()
		for _, x := range []*program.Program{p, plain} {
			require.NoError(t, x.Run(ctx))
		}
		want, err := plain.State().Snapshot(ctx)
		require.NoError(t, err)
		got, err := p.State().Snapshot(ctx)
		require.NoError(t, err)
		require.Equal(t, want, got)
	}
	for range 4 {
		run()
	}
	require.Equal(t, 1, r.records)
	require.Equal(t, 3, r.replays)
	w := tensor.FromF32([]float32{8, 1, 2, 3, -4, 5}, 2, 3)
	require.NoError(t, p.State().Write(ctx, "w", w))
	require.NoError(t, plain.State().Write(ctx, "w", w))
	for range 2 {
		run()
	}
	require.Equal(t, 1, r.records)
	require.Equal(t, 5, r.replays)
	kernels := len(p.Graph().Nodes()) + len(p.Graph().Derivations()) + 1 // The recorded step.
	held := r.allocated - len(p.State().Names())
	p.Close()
	require.Equal(t, held, r.released)
	require.Equal(t, kernels, r.kernels)
}

// TestCodesStayWithTheStep: codes that the optimizer cannot make for the next
// step are made in each.
func TestCodesStayWithTheStep(t *testing.T) {
	for name, extend := range map[string]func(g *graph.Graph, q []graph.Value){
		"codes are a result": func(g *graph.Graph, q []graph.Value) { g.Output("codes", q[0]) },
		"mask is a result":   func(g *graph.Graph, q []graph.Value) { g.Output("mask", q[1]) },
	} {
		require.False(t, fused(codedWeight(t, gocpu.New(), nil, extend)), name)
	}
	require.True(t, fused(codedWeight(t, gocpu.New(), nil, nil)))
	for _, lacks := range []string{"sgd_quantize_weight", "weight_codes", "adopt_range"} {
		p := codedWeight(t, &recorder{Backend: gocpu.New(), lacks: map[string]bool{lacks: true}}, nil, nil)
		require.False(t, fused(p), lacks)
		require.NoError(t, p.Run(context.Background()))
	}
}

// TestDerivedGraphs: derived values survive the passes that copy a graph, and
// are refused as the begin of a model.
func TestDerivedGraphs(t *testing.T) {
	g := codedWeight(t, gocpu.New(), nil, nil).Graph()
	clone, err := g.Clone()
	require.NoError(t, err)
	renamed, err := graph.Rename(g, map[string]string{"loss": "error"})
	require.NoError(t, err)
	for _, c := range []*graph.Graph{clone, renamed} {
		require.Len(t, c.Derivations(), 1)
		require.Len(t, c.Nodes(), len(g.Nodes()))
		require.Len(t, c.Values(graph.Derived), 3)
		require.Equal(t, g.Values(graph.Derived)[0].Name(), c.Values(graph.Derived)[0].Name())
		n, _ := c.Values(graph.Derived)[0].Producer()
		require.Nil(t, n)
	}
	_, err = graph.Lower(g, graph.Mode{}, 0)
	require.ErrorContains(t, err, "lower the model instead")

	bad := graph.New()
	x := bad.Input("x", tensor.Of(tensor.F32, 2, 3))
	require.Nil(t, bad.Derive("codes", backend.WeightCodes{Scheme: quant.Weights(8)}, x))
	require.ErrorContains(t, bad.Err(), "no parameter or state")
}
