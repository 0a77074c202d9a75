//go:build cuda

package gpu

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/backend/cpu"
	"github.com/goqat/goqat/data"
	"github.com/goqat/goqat/graph"
	"github.com/goqat/goqat/nn"
	"github.com/goqat/goqat/program"
	"github.com/goqat/goqat/qat"
	"github.com/goqat/goqat/tensor"
	"github.com/goqat/goqat/train"
)

// freely trains a model on both devices from one start and never again from
// the other's state, so many steps of each mode. Both compile the same
// operations, and after every step the loss and every state must have the CPU's
// bits.
func freely(t *testing.T, g *graph.Graph, set data.Dataset, batch, steps int, modes []graph.Mode) {
	ctx := context.Background()
	b := open(t)
	host := &traced{Backend: cpu.New()}
	from, to := program.NewState(host), program.NewState(b)
	_, err := qat.Calibrate(ctx, g, set, qat.DataOptions{State: from, Samples: batch, Batch: batch})
	require.NoError(t, err)
	c := train.DefaultConfig()
	c.Batch = batch
	shape := append([]int{batch}, set.Shape()...)
	x, y := tensor.New(tensor.Of(tensor.F32, shape...)), tensor.New(tensor.Of(tensor.I32, batch))
	numbers := set.Shape().Numel()
	at := 0
	for phase, mode := range modes {
		want, err := train.CompileStep(ctx, g, c, mode, from)
		require.NoError(t, err)
		got, err := train.CompileStep(ctx, g, c, mode, to)
		require.NoError(t, err)
		for i := range steps {
			if phase == 0 && i == 0 {
				for _, name := range from.Names() {
					v, err := from.Read(ctx, name)
					require.NoError(t, err)
					require.NoError(t, to.Write(ctx, name, v))
				}
			}
			for j := range batch {
				y.I32()[j], err = set.Sample(at%set.Len(), x.F32()[j*numbers:(j+1)*numbers])
				require.NoError(t, err)
				at++
			}
			host.log = nil
			w, err := want.Run(ctx, &data.Batch{X: x, Y: y, N: batch}, 0.05)
			require.NoError(t, err)
			l, err := got.Run(ctx, &data.Batch{X: x, Y: y, N: batch}, 0.05)
			require.NoError(t, err)
			if i == 0 {
				checkBits(t, b, host.log, false)
			}
			require.Equal(t, w, l, "the loss of step %d of phase %d", i, phase)
			for _, name := range from.Names() {
				v, err := from.Read(ctx, name)
				require.NoError(t, err)
				u, err := to.Read(ctx, name)
				require.NoError(t, err)
				require.Equal(t, v.Bytes(), u.Bytes(), "%s after step %d of phase %d", name, i, phase)
			}
			t.Logf("step %d of phase %d: loss %v on both", i, phase, l)
		}
		got.Program().Close()
		want.Program().Close()
	}
}

// checkBits runs the kernels of a step of the CPU on b, each with the CPU's
// inputs: they must have the CPU's bits, but for products of gradients of
// bfloat16, if there are any.
func checkBits(t *testing.T, b backend.Backend, log []trace, rounded bool) {
	var bad []string
	others := 0
	for _, e := range log {
		for i, y := range e.again(t, b) {
			if sameBits(y, e.out[i]) {
				continue
			}
			others++
			switch e.op.(type) {
			case backend.ConvGradInput, backend.ConvGradWeight, backend.GemmGradInput, backend.GemmGradWeight:
				if rounded && nmse(y, e.out[i]) <= 1e-11 {
					continue
				}
			}
			bad = append(bad, fmt.Sprintf("result %d of %s, NMSE %g", i, e.op.OpName(), nmse(y, e.out[i])))
		}
	}
	require.Empty(t, bad, "other bits than the CPU's")
	t.Logf("%d of %d kernels have other bits than the CPU's", others, len(log))
}

// prepared is a model of the zoo for training on integers with gradients of
// float32, and the modes of its phases.
func prepared(t *testing.T, g *graph.Graph) (*graph.Graph, []graph.Mode) {
	qc := qat.Default()
	qc.Backward = backend.GradF32.String()
	qc.Schedule = qat.Schedule{Start: 0.25, FreezeRanges: 0.5, FreezeBN: 0.75}
	p, err := qat.Prepare(g, qc)
	require.NoError(t, err)
	var modes []graph.Mode
	for _, ph := range qc.Phases(100) {
		modes = append(modes, ph.Mode)
	}
	require.Len(t, modes, 4)
	return p, modes
}

// TestTrainingHasTheCPUsBits: with gradients of float32 a training has, step
// after step, the CPU's losses and states to the bit, through all phases of
// quantization-aware training, of which the first is float.
func TestTrainingHasTheCPUsBits(t *testing.T) {
	if !fuses() {
		t.Skip("the CPU does not fuse multiply and add")
	}
	for _, c := range []struct {
		model        string
		batch, steps int
	}{{"cnn", 4, 4}, {"mlp", 4, 1}, {"resnet8", 2, 1}, {"mobilenetv1-0.25", 2, 1}} {
		t.Run(c.model, func(t *testing.T) {
			splits, err := data.Open(context.Background(), "digits", data.Options{Seed: 1, Normalize: true, MaxSamples: 200})
			require.NoError(t, err)
			set := splits.Train
			g, err := nn.Build(c.model, set.Shape(), set.Classes(), 3)
			require.NoError(t, err)
			p, modes := prepared(t, g)
			freely(t, p, set, c.batch, c.steps, modes)
		})
	}
	t.Run("gpt-tiny", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "text")
		require.NoError(t, os.WriteFile(path, []byte(strings.Repeat("the quick brown fox jumps over the lazy dog. ", 8)), 0o600))
		splits, err := data.Open(context.Background(), "text:"+path, data.Options{Window: 8})
		require.NoError(t, err)
		set := splits.Train
		g, err := nn.Build("gpt-tiny", set.Shape(), set.Classes(), 3)
		require.NoError(t, err)
		p, modes := prepared(t, g)
		freely(t, p, set, 4, 1, modes)
	})
}
