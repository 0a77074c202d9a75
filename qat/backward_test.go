package qat_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/data"
	"github.com/goqat/goqat/graph"
	"github.com/goqat/goqat/nn"
	"github.com/goqat/goqat/qat"
	"github.com/goqat/goqat/train"
)

// TestBackwardPrecision trains on digits under each precision of the backward
// pass, from equal weights and with equal batches: on the mean of three seeds
// the curves and the accuracy cannot be told apart. A single training of this
// length ends up to 3 points from one whose sums differ in the last bit.
func TestBackwardPrecision(t *testing.T) {
	if testing.Short() {
		t.Skip("twelve trainings")
	}
	ctx := context.Background()
	set, err := data.Open(ctx, "digits", data.Options{Normalize: true})
	require.NoError(t, err)
	type result struct{ first, last, accuracy float64 }
	run := func(precision string, seed uint64) result {
		g, err := nn.Build("cnn", set.Train.Shape(), set.Train.Classes(), seed)
		require.NoError(t, err)
		c := qat.Default()
		c.Backward = precision
		require.NoError(t, c.Validate())
		p, err := qat.Prepare(g, c)
		require.NoError(t, err)
		state, err := qat.Calibrate(ctx, p, set.Train, qat.DataOptions{Backend: cpu(t), Samples: 256})
		require.NoError(t, err)
		tc := train.DefaultConfig()
		tc.Epochs, tc.Batch = 4, 64
		steps := int64(tc.Epochs * (set.Train.Len() / tc.Batch))
		res, err := train.Fit(ctx, p, tc, train.Options{State: state, Train: set.Train, Phases: c.Phases(steps), EvalMode: graph.Eval})
		require.NoError(t, err)
		m, err := train.Evaluate(ctx, p, set.Val, train.EvalOptions{State: state, Mode: graph.Eval})
		require.NoError(t, err)
		return result{res.History[0].Loss, res.History[tc.Epochs-1].Loss, m.Accuracy}
	}
	const seeds = 3
	mean := func(precision string) (m result) {
		for seed := uint64(1); seed <= seeds; seed++ {
			r := run(precision, seed)
			t.Logf("%s, seed %d: %+v", precision, seed, r)
			m.first, m.last, m.accuracy = m.first+r.first/seeds, m.last+r.last/seeds, m.accuracy+r.accuracy/seeds
		}
		return m
	}
	exact := mean("fp32")
	require.Less(t, exact.last, 0.7*exact.first, "the training of the comparison learns nothing")
	for _, precision := range []string{"bf16x2", "bf16"} {
		r := mean(precision)
		require.InEpsilon(t, exact.first, r.first, 0.05, precision)
		// Of one training the last loss is anything from 0.3 to 0.4, whatever the
		// precision: the last bit of a sum parts trainings.
		require.InEpsilon(t, exact.first-exact.last, r.first-r.last, 0.05, precision)
		require.InDelta(t, exact.accuracy, r.accuracy, 0.03, precision)
	}
	require.Equal(t, run("bf16", 1), run("", 1))
}

// TestBackwardOfPhases finds the precision of a config in every phase.
func TestBackwardOfPhases(t *testing.T) {
	for name, want := range map[string]backend.GradPrecision{"": qat.DefaultBackward, "fp32": backend.GradF32, "bf16x2": backend.GradBF16x2, "bf16": backend.GradBF16} {
		c := qat.Default()
		c.Backward = name
		for _, p := range c.Phases(100) {
			require.Equal(t, want, p.Mode.Backward)
		}
	}
	c := qat.Default()
	c.Backward = "fp8"
	require.ErrorIs(t, c.Validate(), backend.ErrGradPrecision)
	require.ErrorIs(t, c.Validate(), qat.ErrConfig)
}
