package qat_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/goqat/goqat/graph"
	"github.com/goqat/goqat/nn"
	"github.com/goqat/goqat/program"
	"github.com/goqat/goqat/qat"
	"github.com/goqat/goqat/train"
)

// preActivations are the nodes of the learned model whose means are
// corrected.
var preActivations = map[string]bool{"1.bn.out": true, "4.bn.out": true, "6.conv.out": true, "10.linear.out": true, "12.linear.out": true}

// TestCorrectBias measures the mean error of every channel before and after:
// on the samples it has seen nothing may be left, on others most is gone.
func TestCorrectBias(t *testing.T) {
	ctx := context.Background()
	g, set, val := learned(t)
	p, s := calibrated(t, g, qat.Bits(3, 8), set)
	means := func(d patterns) (names []string, norms []float64) {
		names, want := layerResults(t, p, float(t), d, graph.EvalFloat)
		_, have := layerResults(t, p, s, d, quantizeFloat)
		for i := range want {
			norms = append(norms, norm(meanErrors(want[i], have[i])))
		}
		return names, norms
	}
	names, before := means(set)
	_, valBefore := means(val)
	bias, err := s.Read(ctx, "6.conv.bias")
	require.NoError(t, err)
	require.NoError(t, qat.CorrectBias(ctx, p, set, qat.DataOptions{State: s, Samples: 256, Batch: 64}))
	_, after := means(set)
	_, valAfter := means(val)
	checked, sumBefore, sumAfter := 0, 0.0, 0.0
	for i, n := range names {
		if preActivations[n] {
			checked++
			require.Positive(t, before[i], n)
			require.Less(t, after[i], 1e-3*before[i], n)
			require.Less(t, valAfter[i], valBefore[i], n)
			sumBefore += valBefore[i]
			sumAfter += valAfter[i]
		}
	}
	require.Equal(t, len(preActivations), checked)
	require.Less(t, sumAfter, 0.5*sumBefore)
	moved, err := s.Read(ctx, "6.conv.bias")
	require.NoError(t, err)
	require.NotEqual(t, bias.F32(), moved.F32())
	require.Equal(t, accuracy(t, p, float(t), val, graph.EvalFloat), accuracy(t, g, float(t), val, graph.EvalFloat), "the graph's own values stay")
}

// TestCorrectBiasAfterAdaRound needs the true float model as reference: that
// of the state has rounded weights.
func TestCorrectBiasAfterAdaRound(t *testing.T) {
	ctx := context.Background()
	g, set, _ := learned(t)
	p, s := calibrated(t, g, qat.Bits(3, 8), set)
	adaRound(t, p, s, set)
	require.NoError(t, qat.CorrectBias(ctx, p, set, qat.DataOptions{State: s, Reference: float(t), Samples: 256, Batch: 64}))
	_, want := layerResults(t, p, float(t), set, graph.EvalFloat)
	_, have := layerResults(t, p, s, set, quantizeFloat)
	last := len(want) - 1
	require.Less(t, norm(meanErrors(want[last], have[last])), 1e-4)
}

// TestCorrectBiasSkips leaves alone what has nothing to correct, or shares
// it.
func TestCorrectBiasSkips(t *testing.T) {
	ctx := context.Background()
	b := nn.NewBuilder(9)
	x := nn.Sequential{
		nn.Conv2D{Out: 4, Kernel: 3, NoBias: true}, nn.ReLU{}, nn.GlobalAvgPool{}, nn.Linear{Out: 6},
	}.Forward(b, b.Input(train.InputName, 10, 10, 2))
	b.Output(train.OutputName, x)
	g, err := b.Graph()
	require.NoError(t, err)
	set := newPatterns(0, 64)
	p, s := calibrated(t, g, qat.Bits(4, 8), set)
	before, err := s.Snapshot(ctx)
	require.NoError(t, err)
	require.NoError(t, qat.CorrectBias(ctx, p, set, qat.DataOptions{State: s, Samples: 64, Batch: 32}))
	for name, v := range before {
		after, err := s.Read(ctx, name)
		require.NoError(t, err)
		if name == "3.linear.bias" {
			require.NotEqual(t, v.Bytes(), after.Bytes())
		} else {
			require.Equal(t, v.Bytes(), after.Bytes(), name)
		}
	}
	require.ErrorContains(t, qat.CorrectBias(ctx, p, set, qat.DataOptions{}), "State")
	require.ErrorContains(t, qat.CorrectBias(ctx, p, set, qat.DataOptions{State: program.NewState(cpu(t)), Input: "picture", Samples: 8}), "picture")
}
