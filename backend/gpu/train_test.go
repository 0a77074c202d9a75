//go:build cuda

package gpu

import (
	"context"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/backend/backendtest"
	"github.com/goqat/goqat/backend/cpu"
	"github.com/goqat/goqat/data"
	"github.com/goqat/goqat/graph"
	"github.com/goqat/goqat/internal/cudasim"
	"github.com/goqat/goqat/nn"
	"github.com/goqat/goqat/program"
	"github.com/goqat/goqat/qat"
	"github.com/goqat/goqat/tensor"
	"github.com/goqat/goqat/train"
)

// TestTrainCNN trains the zoo's cnn on digits with kernels of the device alone,
// some steps of each phase: from the CPU's state, as in [TestTraining], every
// step has the CPU's loss, and leaves the CPU's parameters and statistics. The
// CPU is left to itself: both compile the same operations.
func TestTrainCNN(t *testing.T) {
	if !cudasim.Running() {
		trainCNN(t)
		return
	}
	for _, capability := range []string{"75", "80", "90"} {
		t.Run(capability, func(t *testing.T) {
			t.Setenv("GOQAT_SIM_CC", capability)
			trainCNN(t)
		})
	}
}

func trainCNN(t *testing.T) {
	const batch, steps = 8, 2
	ctx := context.Background()
	splits, err := data.Open(ctx, "digits", data.Options{Seed: 1, Normalize: true, MaxSamples: batch * steps})
	require.NoError(t, err)
	set := splits.Train
	g, err := nn.Build("cnn", set.Shape(), set.Classes(), 3)
	require.NoError(t, err)
	qc := qat.Default()
	qc.Schedule = qat.Schedule{Start: 0.25, FreezeRanges: 0.5, FreezeBN: 0.75}
	b := open(t)
	host := cpu.New()
	if hostRounds() != b.code.has(gradModule) {
		qc.Backward = backend.GradF32.String() // One of the two computes it in any case.
	}
	p, err := qat.Prepare(g, qc)
	require.NoError(t, err)
	c := train.DefaultConfig()
	c.Batch = batch
	from, to := program.NewState(host), program.NewState(b)
	_, err = qat.Calibrate(ctx, p, set, qat.DataOptions{State: from, Samples: batch, Batch: batch})
	require.NoError(t, err)
	x, y := tensor.New(tensor.Of(tensor.F32, append([]int{batch}, set.Shape()...)...)), tensor.New(tensor.Of(tensor.I32, batch))
	pixels := set.Shape().Numel()
	phases := qc.Phases(100)
	require.Len(t, phases, 4)
	for _, ph := range phases {
		want, err := train.CompileStep(ctx, p, c, ph.Mode, from)
		require.NoError(t, err)
		got, err := train.CompileStep(ctx, p, c, ph.Mode, to)
		require.NoError(t, err) // It names kernels that are missing.
		require.Equal(t, operations(want), operations(got))
		for i := range steps {
			for j := range batch {
				y.I32()[j], err = set.Sample(i*batch+j, x.F32()[j*pixels:(j+1)*pixels])
				require.NoError(t, err)
			}
			for _, name := range from.Names() {
				v, err := from.Read(ctx, name)
				require.NoError(t, err)
				require.NoError(t, to.Write(ctx, name, v))
			}
			w, err := want.Run(ctx, &data.Batch{X: x, Y: y, N: batch}, 0.05)
			require.NoError(t, err)
			l, err := got.Run(ctx, &data.Batch{X: x, Y: y, N: batch}, 0.05)
			require.NoError(t, err)
			require.InDelta(t, w, l, 1e-5, "step %d of %+v", i, ph.Mode)
			for _, name := range from.Names() {
				v, err := from.Read(ctx, name)
				require.NoError(t, err)
				u, err := to.Read(ctx, name)
				require.NoError(t, err)
				if !v.DType().Float() {
					require.Equal(t, v.Bytes(), u.Bytes(), name)
					continue
				}
				require.LessOrEqual(t, nmse(u, v), backendtest.MaxNMSE, "%s after step %d of %+v", name, i, ph.Mode)
			}
			t.Logf("step %d of %+v: loss %v, %v on the CPU", i, ph.Mode, l, w)
		}
		got.Program().Close()
		want.Program().Close()
	}
}

// operations returns what a step runs, in order.
func operations(s *train.Step) []string {
	var names []string
	for _, n := range s.Program().Graph().Nodes() {
		if n.Op != nil {
			names = append(names, fmt.Sprintf("%s %+v", n.Op.OpName(), n.Op))
		}
	}
	return names
}

// TestTrainCNNFreely trains the cnn in float32 on both devices from one start
// and never again from the other's state: every loss is that of the CPU, and
// so is every state in the end; to the bit where the CPU fuses multiply and add. What
// holds on integers says [TestTrainingHasTheCPUsBits].
func TestTrainCNNFreely(t *testing.T) {
	const batch, steps = 8, 10
	ctx := context.Background()
	splits, err := data.Open(ctx, "digits", data.Options{Seed: 1, Normalize: true, MaxSamples: batch * steps})
	require.NoError(t, err)
	set := splits.Train
	g, err := nn.Build("cnn", set.Shape(), set.Classes(), 3)
	require.NoError(t, err)
	c := train.DefaultConfig()
	c.Batch = batch
	states := []*program.State{program.NewState(cpu.New()), program.NewState(open(t))}
	var programs []*train.Step
	for _, s := range states {
		p, err := train.CompileStep(ctx, g, c, graph.Mode{Train: true}, s)
		require.NoError(t, err)
		defer p.Program().Close()
		programs = append(programs, p)
	}
	x, y := tensor.New(tensor.Of(tensor.F32, append([]int{batch}, set.Shape()...)...)), tensor.New(tensor.Of(tensor.I32, batch))
	pixels := set.Shape().Numel()
	for i := range steps {
		for j := range batch {
			y.I32()[j], err = set.Sample(i*batch+j, x.F32()[j*pixels:(j+1)*pixels])
			require.NoError(t, err)
		}
		var loss [2]float64
		for k, p := range programs {
			loss[k], err = p.Run(ctx, &data.Batch{X: x, Y: y, N: batch}, 0.02)
			require.NoError(t, err)
		}
		require.InDelta(t, loss[0], loss[1], 1e-5, "step %d", i)
		if fuses() {
			require.Equal(t, loss[0], loss[1], "step %d", i)
		}
	}
	for _, name := range states[0].Names() {
		v, err := states[0].Read(ctx, name)
		require.NoError(t, err)
		u, err := states[1].Read(ctx, name)
		require.NoError(t, err)
		require.LessOrEqual(t, nmse(u, v), backendtest.MaxNMSE, name)
		if fuses() {
			require.Equal(t, v.Bytes(), u.Bytes(), name)
		}
	}
}

// nmse is sum((got-want)^2) / sum(want^2).
func nmse(got, want *tensor.Tensor) float64 {
	var d, n float64
	for i := range want.Numel() {
		e := got.At(i) - want.At(i)
		d += e * e
		n += want.At(i) * want.At(i)
	}
	if d == 0 {
		return 0
	}
	return d / n
}
