package bench

import (
	"context"
	"errors"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/data"
	"github.com/goqat/goqat/graph"
	"github.com/goqat/goqat/target"
	"github.com/goqat/goqat/tensor"
	"github.com/goqat/goqat/train"
)

// echo is a session whose output is its input.
type echo struct {
	in, out []target.Port
	run     func(ctx context.Context, n int) error
	runs    int
	seen    []float32 // First value of every input.
	scale   float32   // 0 means 1.
}

func newEcho(dims ...int) *echo {
	p := []target.Port{{Name: "x", Spec: tensor.Of(tensor.F32, dims...)}}
	return &echo{in: p, out: []target.Port{{Name: "y", Spec: tensor.Of(tensor.F32, dims...)}}}
}

func (e *echo) Inputs() []target.Port  { return e.in }
func (e *echo) Outputs() []target.Port { return e.out }
func (e *echo) Close() error           { return nil }
func (e *echo) MemoryBytes() int64     { return 4711 }
func (e *echo) Run(ctx context.Context, in, out []*tensor.Tensor) error {
	e.runs++
	e.seen = append(e.seen, in[0].F32()[0])
	copy(out[0].F32(), in[0].F32())
	if e.scale != 0 {
		for i := range out[0].F32() {
			out[0].F32()[i] *= e.scale
		}
	}
	if e.run != nil {
		return e.run(ctx, e.runs)
	}
	return nil
}

// vectors is a data set of vectors.
type vectors struct {
	x      [][]float32
	labels []int32 // nil for none.
}

func (p vectors) Len() int             { return len(p.x) }
func (p vectors) Shape() tensor.Shape  { return tensor.Shape{3} }
func (p vectors) ClassNames() []string { return nil }
func (p vectors) Classes() int {
	if p.labels == nil {
		return 0
	}
	return 3
}

func (p vectors) Sample(i int, x []float32) (int32, error) {
	copy(x, p.x[i])
	if p.labels == nil {
		return 0, nil
	}
	return p.labels[i], nil
}

// tenPoints has ten samples, of which the echo gets seven right.
func tenPoints() vectors {
	var p vectors
	for i := range 10 {
		x := []float32{float32(i) * 0.01, 0, 0}
		x[i%3] += 2
		p.x = append(p.x, x)
		label := int32(i % 3)
		if i >= 7 {
			label = int32(i+1) % 3
		}
		p.labels = append(p.labels, label)
	}
	return p
}

// script is a clock that each reading moves on by the next of its steps, over
// and over.
func script(steps ...time.Duration) clock {
	now, i := time.Duration(0), -1
	return func() time.Duration {
		if i >= 0 {
			now += steps[i%len(steps)]
		}
		i++
		return now
	}
}

var quick = Options{Warmup: -1, MinTime: 1, MinRuns: 1, MaxRuns: 1}

func TestMeasureAccuracyPadsTheLastBatch(t *testing.T) {
	for _, batch := range []int{1, 3, 4, 10, 16} {
		e, d := newEcho(batch, 3), tenPoints()
		row, err := Measure(t.Context(), e, d, quick)
		require.NoError(t, err)
		require.NotNil(t, row.Accuracy)
		assert.Equal(t, 0.7, *row.Accuracy, "batch %d", batch)
		var want float64
		for i, x := range d.x {
			sum := 0.0
			for _, v := range x {
				sum += math.Exp(float64(v))
			}
			want += math.Log(sum) - float64(x[d.labels[i]])
		}
		assert.InDelta(t, want/10, *row.Loss, 1e-9)
		assert.Equal(t, (10+batch-1)/batch+1, e.runs, "batches and one timed run")
		assert.Equal(t, batch, row.Latency.Batch)
		assert.Equal(t, int64(4711), row.PeakBytes)
	}
}

func TestMeasureReconstruction(t *testing.T) {
	d := tenPoints()
	d.labels = nil
	e := newEcho(4, 3)
	e.scale = 0.5
	row, err := Measure(t.Context(), e, d, quick)
	require.NoError(t, err)
	assert.Nil(t, row.Accuracy)
	var want float64
	for _, x := range d.x {
		for _, v := range x {
			want += float64(v/2) * float64(v/2) / 3
		}
	}
	assert.InDelta(t, want/10, *row.Loss, 1e-9)
}

func TestMeasureLossThatIsNoNumber(t *testing.T) {
	e := newEcho(2, 3)
	e.scale = float32(math.Inf(1))
	row, err := Measure(t.Context(), e, tenPoints(), quick)
	require.NoError(t, err)
	assert.Nil(t, row.Loss)
	assert.Contains(t, row.Note, "NaN")
}

func TestMeasureLatency(t *testing.T) {
	e := newEcho(8, 3)
	// Ten runs of 1 to 10 ms in an order that is not theirs.
	ms := func(v ...int) (d []time.Duration) {
		for _, x := range v {
			d = append(d, time.Duration(x)*time.Millisecond)
		}
		return d
	}
	row, err := measure(t.Context(), e, nil, Options{Batch: 8, Warmup: 3, MinRuns: 10, MinTime: 1}, script(ms(7, 2, 9, 1, 10, 3, 5, 8, 4, 6)...))
	require.NoError(t, err)
	assert.Equal(t, 13, e.runs)
	l := row.Latency
	assert.Equal(t, Latency{Batch: 8, Warmup: 3, Runs: 10, P50: 5, P90: 9, P99: 10, Mean: 5.5, Throughput: 1600}, l)
	assert.Nil(t, row.Accuracy)
	assert.Nil(t, row.Loss)
	// Inputs take turns and are not all alike.
	distinct := map[float32]bool{}
	for _, v := range e.seen {
		distinct[v] = true
	}
	assert.Greater(t, len(distinct), 5)
}

func TestMeasureStopsByTimeAndBounds(t *testing.T) {
	runs := func(o Options, step time.Duration) int {
		o.Warmup = -1
		row, err := measure(t.Context(), newEcho(1, 3), nil, o, script(step))
		require.NoError(t, err)
		assert.Zero(t, row.Latency.Warmup)
		return row.Latency.Runs
	}
	assert.Equal(t, 1000, runs(Options{}, time.Millisecond), "a second when nothing is said")
	assert.Equal(t, 20, runs(Options{}, time.Second), "20 runs at least")
	assert.Equal(t, 100_000, runs(Options{}, time.Nanosecond), "100,000 at most")
	assert.Equal(t, 5, runs(Options{MinTime: time.Hour, MaxRuns: 5}, time.Millisecond))
	assert.Equal(t, 3, runs(Options{MinTime: 1, MinRuns: 9, MaxRuns: 3}, time.Millisecond))
}

func TestMeasureMismatch(t *testing.T) {
	d := tenPoints()
	codes := newEcho(4, 3)
	codes.in = []target.Port{{Name: "x", Spec: tensor.Of(tensor.I8, 4, 3)}}
	two := newEcho(4, 3)
	two.in = append(two.in, two.in[0])
	few := newEcho(4, 3)
	few.out = []target.Port{{Name: "y", Spec: tensor.Of(tensor.F32, 4, 2)}}
	wrong := tenPoints()
	wrong.labels[9] = 3
	for name, c := range map[string]struct {
		s target.Session
		d data.Dataset
		o Options
	}{
		"batch":        {newEcho(4, 3), nil, Options{Batch: 2}},
		"shape":        {newEcho(4, 5), d, quick},
		"codes":        {codes, d, quick},
		"two inputs":   {two, d, quick},
		"few outputs":  {few, d, quick},
		"no samples":   {newEcho(4, 3), vectors{labels: []int32{}}, quick},
		"wrong label":  {newEcho(4, 3), wrong, quick},
		"no input":     {&echo{}, nil, quick},
		"empty batch":  {newEcho(0, 3), d, quick},
		"no labels":    {few, vectors{x: d.x}, quick},
		"scalar input": {newEcho(), d, quick},
	} {
		_, err := Measure(t.Context(), c.s, c.d, c.o)
		require.ErrorIs(t, err, ErrMismatch, name)
		assert.True(t, strings.HasPrefix(err.Error(), "bench: "), err.Error())
	}
}

// TestMeasureCancel ends the context in each stage: no run begins after that.
func TestMeasureCancel(t *testing.T) {
	for _, at := range []int{1, 2, 4, 7} { // Accuracy, accuracy, warm-up, timed.
		ctx, cancel := context.WithCancel(t.Context())
		e := newEcho(4, 3)
		e.run = func(_ context.Context, n int) error {
			if n == at {
				cancel()
			}
			return nil
		}
		_, err := Measure(ctx, e, tenPoints(), Options{Warmup: 2, MinTime: time.Hour})
		require.ErrorIs(t, err, context.Canceled)
		assert.Equal(t, at, e.runs)
	}
	fault := errors.New("broken")
	for _, at := range []int{1, 4, 7} {
		e := newEcho(4, 3)
		e.run = func(_ context.Context, n int) error {
			if n == at {
				return fault
			}
			return nil
		}
		_, err := Measure(t.Context(), e, tenPoints(), Options{Warmup: 2, MinTime: time.Hour})
		require.ErrorIs(t, err, fault)
	}
}

// TestTimedLoopAllocatesNothing compares few runs with many.
func TestTimedLoopAllocatesNothing(t *testing.T) {
	allocs := func(runs int) float64 {
		o := Options{MinRuns: runs, MaxRuns: 4096, MinTime: 1}
		return testing.AllocsPerRun(3, func() {
			_, err := timeRuns(t.Context(), wallClock(), o, func(int) error { return nil })
			require.NoError(t, err)
		})
	}
	assert.InDelta(t, allocs(1), allocs(4096), 8)
}

// TestMeasureAgreesWithEvaluate measures a real session and compares with what
// training reports for the same data.
func TestMeasureAgreesWithEvaluate(t *testing.T) {
	b, err := backend.Open("cpu")
	require.NoError(t, err)
	defer b.Close()
	d := noise{n: 53, shape: tensor.Shape{28, 28, 1}, classes: 10}
	g, err := build("cnn", d.shape, d.classes)
	require.NoError(t, err)
	want, err := train.Evaluate(t.Context(), g, d, train.EvalOptions{Backend: b, Mode: graph.EvalFloat})
	require.NoError(t, err)
	s, err := target.OpenGraph(t.Context(), g, b, 8)
	require.NoError(t, err)
	defer s.Close()
	row, err := Measure(t.Context(), s, d, quick)
	require.NoError(t, err)
	assert.Equal(t, want.Accuracy, *row.Accuracy)
	assert.InDelta(t, want.Loss, *row.Loss, 1e-9)
	assert.Greater(t, row.PeakBytes, int64(8*28*28*16*4))
}

// TestTiesGoToTheFirst is the rule of train.Evaluate.
func TestTiesGoToTheFirst(t *testing.T) {
	row, err := Measure(t.Context(), newEcho(1, 3), vectors{x: [][]float32{{1, 1, 0}, {0, 2, 2}}, labels: []int32{0, 2}}, quick)
	require.NoError(t, err)
	assert.Equal(t, 0.5, *row.Accuracy)
}

func TestThisMachine(t *testing.T) {
	m := ThisMachine()
	assert.NotEmpty(t, m.CPU)
	assert.NotEmpty(t, m.ISA)
	assert.Positive(t, m.Cores)
}
