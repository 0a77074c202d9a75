package qat_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/goqat/goqat/graph"
	"github.com/goqat/goqat/program"
	"github.com/goqat/goqat/qat"
	"github.com/goqat/goqat/tensor"
	"github.com/goqat/goqat/train"
)

// TestDelayedScales runs a step with delayed scales, one with scales of the
// same step and one with scales that do not move, from the same state: the
// first computes what the last does, and leaves the ranges that the second
// leaves.
func TestDelayedScales(t *testing.T) {
	ctx := context.Background()
	d := noise{tensor.Shape{12, 12, 3}, 96, 5}
	x, y := tensor.New(tensor.Of(tensor.F32, 32, 12, 12, 3)), tensor.New(tensor.Of(tensor.I32, 32))
	for i := range 32 {
		label, err := d.Sample(500+i, x.F32()[i*432:(i+1)*432])
		require.NoError(t, err)
		y.I32()[i] = label
	}
	step := func(delayed bool, ranges graph.Ranges) (map[string]*tensor.Tensor, *tensor.Tensor, *program.Program) {
		c := qat.Default()
		c.Activations.Delayed = delayed
		p, err := qat.Prepare(model(t), c)
		require.NoError(t, err)
		s, err := qat.Calibrate(ctx, p, d, qat.DataOptions{Backend: cpu(t), Samples: 64, Batch: 32})
		require.NoError(t, err)
		tc := train.DefaultConfig()
		tc.Batch = 32
		st, err := train.CompileStep(ctx, p, tc, graph.Mode{Train: true, Quantize: graph.QuantizeInteger, Ranges: ranges}, s)
		require.NoError(t, err)
		prog := st.Program()
		require.NoError(t, s.Write(ctx, "train.lr", tensor.FromF32([]float32{0.01}, 1)))
		require.NoError(t, prog.SetInput(ctx, train.InputName, x))
		require.NoError(t, prog.SetInput(ctx, "label", y))
		require.NoError(t, prog.Run(ctx))
		loss, err := prog.OutputTensor(ctx, "loss")
		require.NoError(t, err)
		states, err := s.Snapshot(ctx)
		require.NoError(t, err)
		return states, loss, prog
	}
	delayed, loss, p := step(true, graph.RangesObserve)
	same, _, _ := step(false, graph.RangesObserve)
	frozen, want, _ := step(false, graph.RangesFrozen)
	require.Equal(t, want.F32(), loss.F32())
	moved := 0
	for _, v := range p.Graph().Values(graph.Param) {
		require.Equal(t, frozen[v.Name()].F32(), delayed[v.Name()].F32(), v.Name())
	}
	for _, v := range p.Graph().Values(graph.State) {
		if v.Name() == "input.scale" || v.Name() == "input.min" {
			require.Equal(t, same[v.Name()].F32(), delayed[v.Name()].F32(), v.Name())
			require.NotEqual(t, frozen[v.Name()].F32(), delayed[v.Name()].F32(), v.Name())
			moved++
		}
	}
	require.Equal(t, 2, moved)
	// No observer passes over a tensor: it gets the two ends.
	for _, n := range p.Graph().Nodes() {
		if n.Op.OpName() == "observe_min_max" {
			assert.LessOrEqual(t, n.In[0].Spec().Numel(), 2, "%s of %v", n.Name, n.In[0].Spec())
		}
		assert.NotEqual(t, "clamp_range", n.Op.OpName())
	}
}

func TestDelayedRefusals(t *testing.T) {
	c := qat.Default()
	c.Weights.Delayed, c.Activations.Delayed, c.Activations.Learn = true, true, true
	err := c.Validate()
	require.ErrorContains(t, err, "weights: delayed is for activations")
	require.ErrorContains(t, err, "activations: delayed and learn contradict each other")
}
