package qat_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/goqat/goqat/graph"
	"github.com/goqat/goqat/qat"
)

func TestTmp(t *testing.T) {
	ctx := context.Background()
	g, set, val := learned(t)
	exact := float(t)
	for _, a := range []qat.AdaRoundOptions{{Steps: 300, Reg: 1, LR: 0.03}, {Steps: 300, Reg: 1, LR: 0.1}, {Steps: 1000, Reg: 3, LR: 0.01}, {Steps: 1000, Reg: 3, LR: 0.03}, {Steps: 1000, Reg: 10, LR: 0.03}, {Steps: 1000, Reg: 3, LR: 0.1}} {
		p, s := calibrated(t, g, qat.Bits(4, 8), set)
		_, want := layerResults(t, p, exact, val, graph.EvalFloat)
		fa := accuracy(t, p, exact, val, graph.EvalFloat)
		before := accuracy(t, p, s, val, graph.Eval)
		_, near := layerResults(t, p, s, val, quantizeFloat)
		o := a
		line := ""
		o.Report = func(l qat.AdaRoundLayer) { line += fmt.Sprintf(" %.3f(%d)", l.Rounded/l.Nearest, l.Changed) }
		require.NoError(t, qat.AdaRound(ctx, p, set, qat.DataOptions{State: s, Samples: 512, Batch: 64}, o))
		_, have := layerResults(t, p, s, val, quantizeFloat)
		k := len(want) - 1
		fmt.Println(a.Steps, a.LR, a.Reg, line, normalizedError(want[k].F32(), near[k].F32()), normalizedError(want[k].F32(), have[k].F32()), fa, before, accuracy(t, p, s, val, graph.Eval))
	}
}
