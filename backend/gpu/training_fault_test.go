//go:build cuda

package gpu

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/internal/cudasim"
	"github.com/goqat/goqat/nn"
	"github.com/goqat/goqat/qat"
	"github.com/goqat/goqat/train"
)

// briefFit is a whole quantization-aware training in little time, so that it
// can be run once for each of its launches: calibration, then five steps that
// go through every phase, a checkpoint after each, and the validation.
func briefFit(t *testing.T, b backend.Backend, dir string, resume bool) (*train.Result, error) {
	ctx := context.Background()
	builder := nn.NewBuilder(3)
	x := builder.Input(train.InputName, 8, 8, 1)
	y := nn.Sequential{nn.Conv2D{Out: 4, Kernel: 3, Stride: 4, NoBias: true}, nn.BatchNorm{}, nn.ReLU{}, nn.Flatten{}, nn.Linear{Out: 4}}.Forward(builder, x)
	builder.Output(train.OutputName, y)
	g, err := builder.Graph()
	require.NoError(t, err)
	qc := qat.Default()
	qc.Schedule = qat.Schedule{Start: 0.2, FreezeRanges: 0.6, FreezeBN: 0.8}
	g, err = qat.Prepare(g, qc)
	require.NoError(t, err)
	c := train.DefaultConfig()
	c.Epochs, c.Batch, c.LR, c.SaveEvery = 1, 4, 0.05, 1
	set := blobs{20, -1}
	s, err := qat.Calibrate(ctx, g, set, qat.DataOptions{Backend: b, Samples: 8, Batch: 8})
	if err != nil {
		return nil, err
	}
	return train.Fit(ctx, g, c, train.Options{State: s, Train: set, Val: blobs{4, -1}, Phases: qc.Phases(5), EvalMode: qc.EvalMode(), Dir: dir, Resume: resume})
}

// undisturbed is briefFit without a fault: its state, and how often each of
// calls was made.
func undisturbed(t *testing.T, calls ...string) (want map[string][]byte, made map[string]int) {
	withHostKernels(t)
	cudasim.Reset()
	b, err := Open(0)
	require.NoError(t, err)
	r, err := briefFit(t, b, t.TempDir(), false)
	require.NoError(t, err)
	made = map[string]int{}
	for _, call := range calls {
		made[call] = cudasim.Calls(call)
		if call == "kernel" {
			made[call] = cudasim.Count().Kernels
		}
		require.Positive(t, made[call], call)
	}
	want = bits(t, r.State)
	require.NoError(t, b.Close())
	return want, made
}

// every is the stride through the faults of a call: each one, or a sample with
// -short, and of launches as calls, for each kernel fails as it runs already.
func every(call string, total int) int {
	switch {
	case testing.Short():
		return max(total/5, 1)
	case call == "cuLaunchKernel":
		return 7
	}
	return 1
}

// TestLostTrainingGoesOn: a training that loses the device at any launch, of a
// kernel or of a graph, ends with the bits of one that did not, in a fresh
// process, and leaves nothing on the device. Resetting the simulator is a
// fresh process to it.
func TestLostTrainingGoesOn(t *testing.T) {
	want, made := undisturbed(t, "kernel", "cuGraphLaunch", "cuLaunchKernel", "cuStreamSynchronize", "cuMemcpyHtoDAsync_v2")
	for call, total := range made {
		for n := 1; n <= total; n += every(call, total) {
			dir := t.TempDir()
			started := 0
			var got map[string][]byte
			s := train.Supervisor{Dir: dir, Worker: func(_ context.Context, resume bool) error {
				cudasim.Reset()
				if started++; started == 1 {
					cudasim.FailAt(call, n, 700, true)
				}
				b, err := Open(0)
				if err != nil {
					return err
				}
				defer closed(t, b)
				r, err := briefFit(t, b, dir, resume)
				if err != nil {
					return err
				}
				got, err = tensors(r.State)
				return err
			}}
			require.NoError(t, s.Run(context.Background()), "%s %d of %d", call, n, total)
			require.Equal(t, 2, started, "%s %d of %d", call, n, total)
			require.Equal(t, want, got, "%s %d of %d", call, n, total)
		}
		t.Logf("%s: %d faults", call, total)
	}
}

// TestOutOfMemoryInTraining: an allocation that fails at any point of a
// training, once or with the attempt after it, is got over with the bits of
// an undisturbed one, or in micro-batches, or ends in a typed error; nothing
// is left.
func TestOutOfMemoryInTraining(t *testing.T) {
	want, made := undisturbed(t, "cuMemAlloc_v2", "cuMemHostAlloc", "cuModuleLoadData", "cuGraphInstantiateWithFlags")
	for call, total := range made {
		var over, cut, refused int
		for _, again := range []bool{false, true} {
			for n := 1; n <= total; n += every(call, total) {
				cudasim.Reset()
				cudasim.FailAt(call, n, 2, false)
				if again {
					cudasim.FailAt(call, n+1, 2, false)
				}
				b, err := Open(0)
				var r *train.Result
				if err == nil {
					r, err = briefFit(t, b, t.TempDir(), false)
				}
				switch {
				case err != nil:
					require.ErrorIs(t, err, backend.ErrOutOfMemory, "%s %d of %d", call, n, total)
					refused++
				case r.MicroBatch != 0 && r.MicroBatch != 4:
					cut++
				default:
					cudasim.ClearFaults()
					require.Equal(t, want, bits(t, r.State), "%s %d of %d", call, n, total)
					over++
				}
				if b != nil {
					closed(t, b)
				}
			}
		}
		t.Logf("%s: %d calls; %d faults got over, %d in micro-batches, %d ended the training", call, total, over, cut, refused)
	}
}
