package train_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/backend/cpu"
	"github.com/goqat/goqat/graph"
	"github.com/goqat/goqat/nn"
	"github.com/goqat/goqat/program"
	"github.com/goqat/goqat/qat"
	"github.com/goqat/goqat/train"
	"github.com/goqat/goqat/train/checkpoint"
)

// eachStep looks at states after every step.
type eachStep func(step int64) error

func (f eachStep) Step(i train.StepInfo) error { return f(i.Step) }
func (eachStep) Epoch(train.EpochInfo) error   { return nil }

// onRanks trains on n devices, whose states must have the same bits after
// every step, and returns the result and the loss of every step.
func onRanks(t testing.TB, n int, g *graph.Graph, c train.Config, o train.Options) (*train.Result, []float64, error) {
	t.Helper()
	c.Ranks = n
	if o.State == nil {
		o.State = program.NewState(cpu.New())
	}
	for range n - 1 {
		o.Peers = append(o.Peers, program.NewState(cpu.New()))
	}
	var losses []float64
	o.Callbacks = append(o.Callbacks, lossOf{&losses}, eachStep(func(step int64) error {
		want := hash(t, o.State)
		for i, p := range o.Peers {
			sameStates(t, o.State, p)
			if n := len(p.Names()); n != len(o.State.Names()) {
				return fmt.Errorf("step %d: rank %d has %d tensors", step, i+1, n)
			}
		}
		if want == "" {
			return errors.New("no state")
		}
		return nil
	}))
	r, err := train.Fit(context.Background(), g, c, o)
	return r, losses, err
}

func sameStates(t testing.TB, a, b *program.State) {
	t.Helper()
	for _, name := range a.Names() {
		x, err := a.Read(context.Background(), name)
		require.NoError(t, err)
		y, err := b.Read(context.Background(), name)
		require.NoError(t, err)
		require.Equal(t, x.Bytes(), y.Bytes(), name)
	}
}

type lossOf struct{ to *[]float64 }

func (l lossOf) Step(i train.StepInfo) error { *l.to = append(*l.to, i.Loss); return nil }
func (lossOf) Epoch(train.EpochInfo) error   { return nil }

// dropModel has dropout, but nothing that looks at a batch as a whole.
func dropModel(t testing.TB) *graph.Graph {
	b := nn.NewBuilder(3)
	x := b.Input(train.InputName, 8, 8, 1)
	y := nn.Sequential{
		nn.Conv2D{Out: 6, Kernel: 3, Pad: 1}, nn.ReLU{}, nn.Dropout{P: 0.2},
		nn.Conv2D{Out: 9, Kernel: 3, Stride: 2, Pad: 1}, nn.ReLU{},
		nn.GlobalAvgPool{}, nn.Linear{Out: 4},
	}.Forward(b, x)
	b.Output(train.OutputName, y)
	g, err := b.Graph()
	require.NoError(t, err)
	return g
}

// TestRanksAreTheWholeBatch: several devices do what one does with the whole
// batch, to the rounding of sums.
func TestRanksAreTheWholeBatch(t *testing.T) {
	ctx := context.Background()
	for _, o := range []train.Optimizer{{Name: "sgd", Momentum: 0.9}, {Name: "adamw", WeightDecay: 0.01}} {
		c := config(2)
		c.Optimizer, c.Schedule.CycleMomentum = o, false
		c.ClipNorm, c.EMA = 0.5, 0.9
		if o.Name == "adamw" {
			c.LR = 1e-3
		}
		for _, ranks := range []int{2, 4} {
			want, one, err := onRanks(t, 1, dropModel(t), c, train.Options{Train: newBlobs(64), Val: newBlobs(32)})
			require.NoError(t, err)
			got, two, err := onRanks(t, ranks, dropModel(t), c, train.Options{Train: newBlobs(64), Val: newBlobs(32)})
			require.NoError(t, err)
			require.Equal(t, c.Batch/ranks, got.MicroBatch)
			require.Len(t, two, 8)
			for i := range one {
				require.InDelta(t, one[i], two[i], 1e-6*(1+one[i]), "%s, step %d", o.Name, i)
			}
			for _, n := range want.State.Names() {
				x, err := want.State.Read(ctx, n)
				require.NoError(t, err)
				y, err := got.State.Read(ctx, n)
				require.NoError(t, err)
				for i := range x.Numel() {
					require.InDelta(t, x.At(i), y.At(i), 1e-5, "%s: %s[%d]", o.Name, n, i)
				}
			}
			again, _, err := onRanks(t, ranks, dropModel(t), c, train.Options{Train: newBlobs(64), Val: newBlobs(32)})
			require.NoError(t, err)
			require.Equal(t, hash(t, got.State), hash(t, again.State))
		}
	}
}

// TestRanksTrainOnTheSameCodes: ranges observed by parts of a batch are those
// of the whole, to the bit, and so are scales. Later steps start from weights
// that differ by rounding.
func TestRanksTrainOnTheSameCodes(t *testing.T) {
	for _, learn := range []bool{false, true} {
		qc := qat.Default()
		qc.Schedule = qat.Schedule{}
		if learn {
			qc = qat.Bits(4, 4)
			qc.Weights.Learn, qc.Activations.Learn = true, true
			qc.Schedule = qat.Schedule{}
		}
		c := config(1)
		c.Batch = 64
		run := func(ranks int) *train.Result {
			g, err := qat.Prepare(dropModel(t), qc)
			require.NoError(t, err)
			r, _, err := onRanks(t, ranks, g, c, train.Options{State: start(t, g), Train: newBlobs(64), Phases: []graph.Phase{{Mode: graph.Mode{Train: true, Quantize: graph.QuantizeInteger, Ranges: graph.RangesObserve}}}})
			require.NoError(t, err)
			require.EqualValues(t, 1, r.Steps)
			return r
		}
		want, got := run(1).State, run(2).State
		n := 0
		for _, name := range want.Names() {
			x, err := want.Read(t.Context(), name)
			require.NoError(t, err)
			y, err := got.Read(t.Context(), name)
			require.NoError(t, err)
			g, err := qat.Prepare(dropModel(t), qc)
			require.NoError(t, err)
			if v, ok := g.Lookup(name); ok && v.Kind() == graph.State {
				n++
				require.Equal(t, x.Bytes(), y.Bytes(), name)
				continue
			}
			for i := range x.Numel() {
				require.InDelta(t, x.At(i), y.At(i), 2e-6, "learn %v: %s[%d]", learn, name, i)
			}
		}
		require.Greater(t, n, 4)
	}
}

// TestRanksGoThroughAllPhases: with batch norm, learned scales, micro-batches
// and all phases, ranks stay the same, and a run that is interrupted goes on
// with the bits of one that is not.
func TestRanksGoThroughAllPhases(t *testing.T) {
	c := config(4)
	run := func(dir string, resume bool, stop int64, memory int64) (*train.Result, error) {
		g, phases := prepared(t, 32)
		o := train.Options{State: start(t, g), Train: newBlobs(128), Val: newBlobs(32), Phases: phases, EvalMode: graph.Eval, Dir: dir, Resume: resume, Memory: memory}
		if stop > 0 {
			o.Callbacks = []train.Callback{eachStep(func(s int64) error {
				if s == stop {
					return errStop
				}
				return nil
			})}
			c.SaveEvery = 3
		}
		r, _, err := onRanks(t, 2, g, c, o)
		return r, err
	}
	want, err := run("", false, 0, 0)
	require.NoError(t, err)
	require.Greater(t, want.History[3].Accuracy, 0.5)
	dir := t.TempDir()
	_, err = run(dir, false, 20, 0)
	require.ErrorIs(t, err, errStop)
	got, err := run(dir, true, 0, 0)
	require.NoError(t, err)
	require.EqualValues(t, 18, got.Resumed)
	require.Equal(t, hash(t, want.State), hash(t, got.State))
}

var errStop = errors.New("stop")

// TestRanksWithMicroBatches: parts of parts.
func TestRanksWithMicroBatches(t *testing.T) {
	c := config(2)
	half := c
	half.Batch /= 2
	_, quarter := limits(t, plainModel(t), half)
	run := func(memory int64) *train.Result {
		r, _, err := onRanks(t, 2, plainModel(t), c, train.Options{Train: newBlobs(64), Memory: memory})
		require.NoError(t, err)
		return r
	}
	want, got := run(0), run(quarter)
	require.Equal(t, 8, want.MicroBatch)
	require.Equal(t, 2, got.MicroBatch)
	for i, e := range want.History {
		require.InEpsilon(t, e.Loss, got.History[i].Loss, 1e-4, "epoch %d", e.Epoch)
	}
}

// TestRankFails: what ends one rank ends all, with its error.
func TestRankFails(t *testing.T) {
	g, phases := prepared(t, 32)
	d := newBlobs(128)
	d.nan = 77
	_, losses, err := onRanks(t, 2, g, config(4), train.Options{State: start(t, g), Train: d, Phases: phases[1:2]})
	require.ErrorIs(t, err, backend.ErrNaN)
	require.ErrorContains(t, err, "of 2: program: node")
	require.Less(t, len(losses), 8)
}

// TestRanksAreInterrupted: when the context ends, the step that has begun is
// finished on all ranks and saved, and the run goes on from there.
func TestRanksAreInterrupted(t *testing.T) {
	c := config(3)
	c.Ranks = 2
	fit := func(ctx context.Context, dir string, resume bool, cbs ...train.Callback) (*train.Result, error) {
		return train.Fit(ctx, smallModel(t), c, train.Options{State: program.NewState(cpu.New()), Peers: []*program.State{program.NewState(cpu.New())},
			Train: newBlobs(64), Dir: dir, Resume: resume, Callbacks: cbs})
	}
	want, err := fit(context.Background(), "", false)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	dir := t.TempDir()
	_, err = fit(ctx, dir, false, eachStep(func(s int64) error {
		if s == 5 {
			cancel()
		}
		return nil
	}))
	require.ErrorIs(t, err, train.ErrInterrupted)
	got, err := fit(context.Background(), dir, true)
	require.NoError(t, err)
	require.EqualValues(t, 5, got.Resumed)
	require.Equal(t, hash(t, want.State), hash(t, got.State))
}

// TestRanksThatPartAreNotSaved: a state that is another on one device ends the
// training, and no checkpoint is made of it.
func TestRanksThatPartAreNotSaved(t *testing.T) {
	c := config(2)
	c.Ranks, c.SaveEvery = 2, 1
	peer := program.NewState(cpu.New())
	dir := t.TempDir()
	_, err := train.Fit(t.Context(), smallModel(t), c, train.Options{State: program.NewState(cpu.New()), Peers: []*program.State{peer}, Train: newBlobs(64), Dir: dir,
		Callbacks: []train.Callback{eachStep(func(s int64) error {
			if s < 3 {
				return nil
			}
			name := peer.Names()[0]
			x, err := peer.Read(t.Context(), name)
			if err != nil {
				return err
			}
			x.Bytes()[0] ^= 1
			return peer.Write(t.Context(), name, x)
		})}})
	require.ErrorIs(t, err, train.ErrParted)
	require.ErrorContains(t, err, "of device 1 is not that of device 0")
	s, err := checkpoint.Load(train.CheckpointDir(dir))
	require.NoError(t, err)
	require.EqualValues(t, 2, s.Step)
}

func TestRanksAreChecked(t *testing.T) {
	c := config(1)
	c.Batch, c.Ranks = 15, 4
	c.LR = -1
	err := c.Validate()
	require.ErrorIs(t, err, train.ErrConfig)
	require.ErrorContains(t, err, "a batch of 15 cannot be shared by 4 devices: want a multiple of 4, such as 16")
	require.ErrorContains(t, err, "lr is -1")

	c = config(1)
	c.Ranks = 2
	_, err = train.CompileStep(t.Context(), plainModel(t), c, graph.Mode{Train: true}, program.NewState(cpu.New()))
	require.ErrorIs(t, err, train.ErrConfig)
	s := program.NewState(cpu.New())
	_, err = train.Fit(t.Context(), plainModel(t), c, train.Options{State: s, Train: newBlobs(64)})
	require.ErrorContains(t, err, "2 ranks in the config, and 0 Peers")
	_, err = train.Fit(t.Context(), plainModel(t), c, train.Options{State: s, Peers: []*program.State{s}, Train: newBlobs(64)})
	require.ErrorContains(t, err, "rank 1 is another rank, too")

	// What cannot be joined is refused, with what to do.
	qc := qat.Default()
	qc.Activations.Observer = "histogram"
	g, err := qat.Prepare(plainModel(t), qc)
	require.NoError(t, err)
	_, _, err = onRanks(t, 2, g, c, train.Options{Train: newBlobs(64), Phases: []graph.Phase{{Mode: graph.Mode{Train: true, Quantize: graph.QuantizeInteger, Ranges: graph.RangesObserve}}}})
	require.ErrorIs(t, err, backend.ErrUnsupported)
	require.ErrorContains(t, err, "calibrate it before")
}
