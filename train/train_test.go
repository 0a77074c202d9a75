package train_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/goqat/goqat/backend"
	_ "github.com/goqat/goqat/backend/cpu"
	"github.com/goqat/goqat/graph"
	"github.com/goqat/goqat/nn"
	_ "github.com/goqat/goqat/op"
	"github.com/goqat/goqat/program"
	"github.com/goqat/goqat/qat"
	"github.com/goqat/goqat/tensor"
	"github.com/goqat/goqat/train"
)

// blobs is a data set of noisy class patterns, small enough for tests.
type blobs struct {
	n, classes int
	shape      tensor.Shape
	nan        int // Sample that is not a number, -1 for none.
	label      int32
}

func newBlobs(n int) *blobs {
	return &blobs{n: n, classes: 4, shape: tensor.Shape{8, 8, 1}, nan: -1, label: -1}
}

func (b *blobs) Len() int             { return b.n }
func (b *blobs) Shape() tensor.Shape  { return b.shape }
func (b *blobs) Classes() int         { return b.classes }
func (b *blobs) ClassNames() []string { return nil }
func (b *blobs) Sample(i int, x []float32) (int32, error) {
	r := rand.New(rand.NewPCG(7, uint64(i)))
	c := i % b.classes
	for j := range x {
		v := 0.5 * r.NormFloat64()
		if row, col := j/8, j%8; c == 0 && row%2 == 0 || c == 1 && col%2 == 0 || c == 2 && (row+col)%2 == 0 {
			v += 2
		}
		x[j] = float32(v)
	}
	if i == b.nan {
		x[3] = float32(math.NaN())
	}
	if b.label >= 0 && i == 5 {
		return b.label, nil
	}
	return int32(c), nil
}

func smallModel(t testing.TB) *graph.Graph {
	b := nn.NewBuilder(3)
	x := b.Input(train.InputName, 8, 8, 1)
	y := nn.Sequential{
		nn.Conv2D{Out: 6, Kernel: 3, Pad: 1, NoBias: true}, nn.BatchNorm{}, nn.ReLU{},
		nn.Conv2D{Out: 9, Kernel: 3, Stride: 2, Pad: 1, NoBias: true}, nn.BatchNorm{}, nn.ReLU{},
		nn.GlobalAvgPool{}, nn.Dropout{P: 0.1}, nn.Linear{Out: 4},
	}.Forward(b, x)
	b.Output(train.OutputName, y)
	g, err := b.Graph()
	require.NoError(t, err)
	return g
}

func config(epochs int) train.Config {
	c := train.DefaultConfig()
	c.Epochs, c.Batch, c.LR = epochs, 16, 0.05
	return c
}

// prepared returns a prepared model and the phases of a training of steps.
func prepared(t testing.TB, steps int64) (*graph.Graph, []graph.Phase) {
	qc := qat.Bits(4, 8)
	qc.Weights.Learn = true
	qc.Schedule = qat.Schedule{Start: 0.2, FreezeRanges: 0.6, FreezeBN: 0.8}
	p, err := qat.Prepare(smallModel(t), qc)
	require.NoError(t, err)
	return p, qc.Phases(steps)
}

// hash is the sha256 of all tensors of a state.
func hash(t testing.TB, s *program.State) string {
	h := sha256.New()
	for _, n := range s.Names() {
		x, err := s.Read(context.Background(), n)
		require.NoError(t, err)
		fmt.Fprintf(h, "%s %v\n", n, x.Spec())
		h.Write(x.Bytes())
	}
	return hex.EncodeToString(h.Sum(nil))
}

// start calibrates the prepared model on a fresh backend.
func start(t testing.TB, g *graph.Graph) *program.State {
	b, err := backend.Open("cpu")
	require.NoError(t, err)
	s, err := qat.Calibrate(context.Background(), g, newBlobs(128), qat.DataOptions{Backend: b, Samples: 64, Batch: 32})
	require.NoError(t, err)
	return s
}

func TestFitLearns(t *testing.T) {
	b, err := backend.Open("cpu")
	require.NoError(t, err)
	for _, o := range []train.Optimizer{{Name: "sgd", Momentum: 0.9, Nesterov: true}, {Name: "adam"}, {Name: "adamw", WeightDecay: 0.01}} {
		c := config(6)
		c.Optimizer, c.ClipNorm, c.LabelSmoothing = o, 5, 0.05
		if o.Name != "sgd" {
			c.LR, c.Schedule.CycleMomentum = 0.01, false
		}
		res, err := train.Fit(context.Background(), smallModel(t), c, train.Options{Backend: b, Train: newBlobs(256), Val: newBlobs(64)})
		require.NoError(t, err)
		require.Len(t, res.History, 6)
		require.Greater(t, res.History[5].Accuracy, 0.9, o.Name)
		require.Less(t, res.History[5].Loss, res.History[0].Loss)
	}
}

// TestSameBits trains through every phase with 1, 2 and 4 threads.
func TestSameBits(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(0))
	var want string
	for _, n := range []int{1, 2, 4} {
		runtime.GOMAXPROCS(n)
		g, phases := prepared(t, 32)
		s := start(t, g)
		_, err := train.Fit(context.Background(), g, config(4), train.Options{State: s, Train: newBlobs(128), Val: newBlobs(32), Phases: phases, EvalMode: graph.Eval})
		require.NoError(t, err)
		h := hash(t, s)
		if want == "" {
			want = h
		}
		require.Equal(t, want, h, "GOMAXPROCS %d", n)
	}
}

// stopAt ends the context after a step.
type stopAt struct {
	step   int64
	cancel context.CancelFunc
}

func (s *stopAt) Step(i train.StepInfo) error {
	if i.Step == s.step {
		s.cancel()
	}
	return nil
}
func (s *stopAt) Epoch(train.EpochInfo) error { return nil }

// TestResume stops at 20 random steps and goes on in a fresh state: the
// result has the bits of an undisturbed run.
func TestResume(t *testing.T) {
	const epochs, total = 4, 32
	c := config(epochs)
	c.EMA = 0.9
	run := func(ctx context.Context, dir string, resume bool, cb ...train.Callback) (*train.Result, error) {
		g, phases := prepared(t, total)
		return train.Fit(ctx, g, c, train.Options{State: start(t, g), Train: newBlobs(128), Val: newBlobs(32), Phases: phases, EvalMode: graph.Eval,
			Dir: dir, Resume: resume, Callbacks: cb})
	}
	whole := t.TempDir()
	res, err := run(context.Background(), whole, false)
	require.NoError(t, err)
	require.EqualValues(t, total, res.Steps)
	want := hash(t, res.State)
	record, err := os.ReadFile(filepath.Join(whole, train.MetricsFile))
	require.NoError(t, err)
	require.Equal(t, total+epochs, strings.Count(string(record), "\n"))

	r := rand.New(rand.NewPCG(1, 2))
	for range 20 {
		dir := t.TempDir()
		ctx, cancel := context.WithCancel(context.Background())
		at := 1 + r.Int64N(total-1)
		_, err := run(ctx, dir, false, &stopAt{at, cancel})
		require.ErrorIs(t, err, train.ErrInterrupted)
		res, err := run(context.Background(), dir, true)
		require.NoError(t, err)
		require.EqualValues(t, at, res.Resumed)
		require.Equal(t, want, hash(t, res.State), "stopped after step %d", at)
		require.Len(t, res.History, epochs)
		again, err := os.ReadFile(filepath.Join(dir, train.MetricsFile))
		require.NoError(t, err)
		require.Equal(t, string(record), string(again), "metrics after a stop at step %d", at)
	}
}

func TestResumeRefusesOtherSettings(t *testing.T) {
	dir := t.TempDir()
	b, err := backend.Open("cpu")
	require.NoError(t, err)
	o := train.Options{Backend: b, Train: newBlobs(64), Dir: dir}
	_, err = train.Fit(context.Background(), smallModel(t), config(1), o)
	require.NoError(t, err)
	o.Resume = true
	c := config(1)
	c.Seed++
	_, err = train.Fit(context.Background(), smallModel(t), c, o)
	require.ErrorContains(t, err, "other settings")
}

func TestEarlyStopKeepsTheBest(t *testing.T) {
	b, err := backend.Open("cpu")
	require.NoError(t, err)
	c := config(30)
	c.Patience = 2
	res, err := train.Fit(context.Background(), smallModel(t), c, train.Options{Backend: b, Train: newBlobs(256), Val: newBlobs(64)})
	require.NoError(t, err)
	require.Less(t, len(res.History), 30)
	best := 0.0
	for _, e := range res.History {
		best = max(best, e.Accuracy)
	}
	m, err := train.Evaluate(context.Background(), smallModel(t), newBlobs(64), train.EvalOptions{State: res.State})
	require.NoError(t, err)
	require.Equal(t, best, m.Accuracy)
}

func TestDistillation(t *testing.T) {
	b, err := backend.Open("cpu")
	require.NoError(t, err)
	teacher := smallModel(t)
	res, err := train.Fit(context.Background(), teacher, config(4), train.Options{Backend: b, Train: newBlobs(256)})
	require.NoError(t, err)
	require.NoError(t, res.State.StoreTo(context.Background(), teacher))
	c := config(4)
	c.Distill, c.Temperature = 0.9, 2
	res, err = train.Fit(context.Background(), smallModel(t), c, train.Options{Backend: b, Train: newBlobs(256), Val: newBlobs(64), Teacher: teacher})
	require.NoError(t, err)
	require.Greater(t, res.History[3].Accuracy, 0.9)
}

func TestBadInput(t *testing.T) {
	b, err := backend.Open("cpu")
	require.NoError(t, err)
	ctx := context.Background()
	g := smallModel(t)

	bad := train.Config{Optimizer: train.Optimizer{Name: "rmsprop"}, Schedule: train.Schedule{Name: "zigzag"}, LabelSmoothing: 2}
	_, err = train.Fit(ctx, g, bad, train.Options{Backend: b, Train: newBlobs(64)})
	require.ErrorIs(t, err, train.ErrConfig)
	for _, s := range []string{"epochs", "batch", "lr", "label_smoothing", "rmsprop", "zigzag"} {
		require.ErrorContains(t, err, s)
	}

	d := newBlobs(64)
	d.label = 9
	_, err = train.Fit(ctx, g, config(1), train.Options{Backend: b, Train: d})
	require.ErrorContains(t, err, "9")

	p, phases := prepared(t, 4)
	d = newBlobs(64)
	d.nan = 7
	_, err = train.Fit(ctx, p, config(1), train.Options{State: start(t, p), Train: d, Phases: phases[1:]})
	require.ErrorIs(t, err, backend.ErrNaN)

	d = newBlobs(64)
	d.shape = tensor.Shape{9, 9, 1}
	_, err = train.Fit(ctx, g, config(1), train.Options{Backend: b, Train: d})
	require.ErrorContains(t, err, "samples of")

	d = newBlobs(64)
	d.classes = 5
	_, err = train.Fit(ctx, g, config(1), train.Options{Backend: b, Train: d})
	require.ErrorContains(t, err, "5 classes")

	c := config(1)
	c.LR = 1e30
	_, err = train.Fit(ctx, g, c, train.Options{Backend: b, Train: newBlobs(256)})
	require.True(t, errors.Is(err, train.ErrDiverged), "%v", err)

	_, err = train.Fit(ctx, g, config(1), train.Options{Backend: b, Train: newBlobs(8)})
	require.ErrorContains(t, err, "do not fill one batch")

	_, err = train.Fit(ctx, g, config(1), train.Options{Backend: b, Train: newBlobs(64), Memory: 1000})
	var m *program.MemoryError
	require.ErrorAs(t, err, &m)
}

func TestScheduleRates(t *testing.T) {
	one := train.Schedule{Name: "onecycle"}
	require.InDelta(t, 0.04, one.Rate(0, 100), 1e-12)
	require.InDelta(t, 1, one.Rate(29, 100), 1e-12)
	require.InDelta(t, 4e-6, one.Rate(99, 100), 1e-12)
	cos := train.Schedule{Name: "cosine", Warmup: 0.1}
	require.InDelta(t, 0.1, cos.Rate(0, 100), 1e-12)
	require.InDelta(t, 1, cos.Rate(10, 100), 1e-12)
	require.InDelta(t, 0.5, cos.Rate(55, 100), 1e-12)
	step := train.Schedule{Name: "step"}
	require.InDelta(t, 1, step.Rate(32, 99), 1e-12)
	require.InDelta(t, 0.1, step.Rate(33, 99), 1e-12)
	require.InDelta(t, 0.01, step.Rate(66, 99), 1e-12)
	require.EqualValues(t, 1, train.Schedule{Name: "constant"}.Rate(50, 100))
}

func FuzzReadConfig(f *testing.F) {
	f.Add(`{"epochs":1,"batch":2,"lr":0.1,"optimizer":{"name":"sgd"},"schedule":{"name":"cosine"}}`)
	f.Add(`{"epochs":1e99}`)
	f.Fuzz(func(t *testing.T, s string) {
		c, err := train.ReadConfig(strings.NewReader(s))
		if err == nil {
			require.NoError(t, c.Validate())
		}
	})
}
