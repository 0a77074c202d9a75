package train_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/graph"
	"github.com/goqat/goqat/nn"
	"github.com/goqat/goqat/program"
	"github.com/goqat/goqat/train"
)

// plainModel has nothing that looks at a batch as a whole.
func plainModel(t testing.TB) *graph.Graph {
	b := nn.NewBuilder(3)
	x := b.Input(train.InputName, 8, 8, 1)
	y := nn.Sequential{
		nn.Conv2D{Out: 16, Kernel: 3, Pad: 1}, nn.ReLU{},
		nn.Conv2D{Out: 16, Kernel: 3, Pad: 1}, nn.ReLU{},
		nn.GlobalAvgPool{}, nn.Linear{Out: 4},
	}.Forward(b, x)
	b.Output(train.OutputName, y)
	g, err := b.Graph()
	require.NoError(t, err)
	return g
}

// limits returns bounds of memory: one in which the step of the whole batch
// fits, and one in which only a quarter of it does.
func limits(t *testing.T, g *graph.Graph, c train.Config) (whole, quarter int64) {
	b, err := backend.Open("cpu")
	require.NoError(t, err)
	need := func(batch int) program.Memory {
		c := c
		c.Batch = batch
		s, err := train.CompileStep(context.Background(), g, c, graph.Mode{Train: true}, program.NewState(b))
		require.NoError(t, err)
		return s.Program().Memory()
	}
	all, half := need(c.Batch), need(c.Batch/2)
	require.Greater(t, half.Arena, 4*all.Params, "the sums of gradients must be small beside the arena")
	return all.Total(), half.Total() - half.Arena/4
}

// TestMicroBatches: a batch that does not fit gives the result of one that
// does, to the rounding of sums.
func TestMicroBatches(t *testing.T) {
	ctx := context.Background()
	for _, o := range []train.Optimizer{{Name: "sgd", Momentum: 0.9}, {Name: "adamw", WeightDecay: 0.01}} {
		c := config(3)
		c.Optimizer, c.Schedule.CycleMomentum = o, false
		c.ClipNorm, c.EMA = 0.5, 0.9
		whole, quarter := limits(t, plainModel(t), c)
		fit := func(memory int64) *train.Result {
			b, err := backend.Open("cpu")
			require.NoError(t, err)
			r, err := train.Fit(ctx, plainModel(t), c, train.Options{Backend: b, Train: newBlobs(64), Val: newBlobs(32), Memory: memory})
			require.NoError(t, err)
			return r
		}
		want, got := fit(whole), fit(quarter)
		require.Equal(t, c.Batch, want.MicroBatch)
		require.Empty(t, want.Warnings)
		require.Equal(t, c.Batch/4, got.MicroBatch)
		require.Len(t, got.Warnings, 2)
		require.Contains(t, got.Warnings[0], "do not fit into memory")
		for i, e := range want.History {
			require.InEpsilon(t, e.Loss, got.History[i].Loss, 1e-4, "epoch %d", e.Epoch)
		}
		for _, n := range want.State.Names() {
			x, err := want.State.Read(ctx, n)
			require.NoError(t, err)
			y, err := got.State.Read(ctx, n)
			require.NoError(t, err)
			for i := range x.Numel() {
				require.InDelta(t, x.At(i), y.At(i), 1e-3, "%s[%d]", n, i)
			}
		}
	}
}

// TestMicroBatchesResume: a run that goes on with room for the whole batch
// keeps the micro-batches it began with, and its bits.
func TestMicroBatchesResume(t *testing.T) {
	c := config(4)
	c.SaveEvery = 3
	_, quarter := limits(t, plainModel(t), c)
	run := func(ctx context.Context, dir string, memory int64, resume bool, cb ...train.Callback) (*train.Result, error) {
		b, err := backend.Open("cpu")
		require.NoError(t, err)
		return train.Fit(ctx, plainModel(t), c, train.Options{Backend: b, Train: newBlobs(64), Dir: dir, Resume: resume, Memory: memory, Callbacks: cb})
	}
	bits := func(r *train.Result) map[string][]byte {
		m := map[string][]byte{}
		for _, n := range r.State.Names() {
			x, err := r.State.Read(context.Background(), n)
			require.NoError(t, err)
			m[n] = x.Bytes()
		}
		return m
	}
	want, err := run(context.Background(), t.TempDir(), quarter, false)
	require.NoError(t, err)
	dir := t.TempDir()
	ctx, cancel := context.WithCancel(context.Background())
	_, err = run(ctx, dir, quarter, false, &stopAt{7, cancel})
	require.ErrorIs(t, err, train.ErrInterrupted)
	got, err := run(context.Background(), dir, 0, true)
	require.NoError(t, err)
	require.EqualValues(t, 7, got.Resumed)
	require.Equal(t, c.Batch/4, got.MicroBatch)
	require.Equal(t, bits(want), bits(got))
}

func TestMicroBatchOfOneDoesNotFit(t *testing.T) {
	b, err := backend.Open("cpu")
	require.NoError(t, err)
	_, err = train.Fit(context.Background(), plainModel(t), config(1), train.Options{Backend: b, Train: newBlobs(64), Memory: 1000})
	require.ErrorIs(t, err, backend.ErrOutOfMemory)
	require.ErrorContains(t, err, "not even 1 samples fit at a time")
	var m *program.MemoryError
	require.ErrorAs(t, err, &m)
	require.EqualValues(t, 1000, m.Limit)
}
