package qat_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/graph"
	"github.com/goqat/goqat/qat"
	"github.com/goqat/goqat/quant"
)

// TestAdaRound compares chosen with nearest roundings of 4 bits on samples
// that were not looked at.
func TestAdaRound(t *testing.T) {
	ctx := context.Background()
	g, set, val := learned(t)
	for _, bits := range []int{3, 4} {
		p, s := calibrated(t, g, qat.Bits(bits, 8), set)
		exact := float(t)
		_, want := layerResults(t, p, exact, val, graph.EvalFloat)
		names, near := layerResults(t, p, s, val, quantizeFloat)
		fa := accuracy(t, p, exact, val, graph.EvalFloat)
		before := accuracy(t, p, s, val, graph.Eval)
		require.NoError(t, qat.AdaRound(ctx, p, set, qat.DataOptions{State: s, Samples: 256, Batch: 64}, qat.AdaRoundOptions{Steps: 300, Report: func(l qat.AdaRoundLayer) {
			t.Logf("%+v", l)
		}}))
		_, have := layerResults(t, p, s, val, quantizeFloat)
		for i, n := range names {
			t.Log(n, normalizedError(want[i].F32(), near[i].F32()), normalizedError(want[i].F32(), have[i].F32()))
		}
		t.Log(fa, before, accuracy(t, p, s, val, graph.Eval))
	}
	_ = quant.ONNX
	_ = backend.Conv{}
}
