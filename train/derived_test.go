package train

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
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
)

// apart is the CPU without the optimizers that make codes: weights are
// quantized at the begin of a step.
type apart struct{ *cpu.Backend }

func (apart) Name() string { return "apart" }

func (b apart) Supports(op backend.Op, in ...tensor.Spec) bool {
	switch op.(type) {
	case backend.SGDQuantizeWeight, backend.AdamQuantizeWeight:
		return false
	}
	return b.Backend.Supports(op, in...)
}

var observing = graph.Mode{Train: true, Quantize: graph.QuantizeInteger, Ranges: graph.RangesObserve}

// codedModel returns a prepared model on b and its calibrated state.
func codedModel(t *testing.T, name string, b backend.Backend) (*graph.Graph, *program.State) {
	t.Helper()
	g, err := nn.Build(name, zeros{}.Shape(), 4, 1)
	require.NoError(t, err)
	p, err := qat.Prepare(g, qat.Default())
	require.NoError(t, err)
	s, err := qat.Calibrate(context.Background(), p, zeros{}, qat.DataOptions{Backend: b, Samples: 64, Batch: 32})
	require.NoError(t, err)
	return p, s
}

func codedBatch(seed uint64) *data.Batch {
	r := rand.New(rand.NewPCG(7, seed))
	b := &data.Batch{X: tensor.New(tensor.Of(tensor.F32, 8, 12, 12, 1)), Y: tensor.New(tensor.Of(tensor.I32, 8)), N: 8}
	for i := range b.X.F32() {
		b.X.F32()[i] = float32(r.NormFloat64())
	}
	for i := range b.Y.I32() {
		b.Y.I32()[i] = r.Int32N(4)
	}
	return b
}

func countOps(p *program.Program) map[string]int {
	n := map[string]int{}
	for _, x := range p.Graph().Nodes() {
		n[x.Op.OpName()]++
	}
	return n
}

// pair is one training with the optimizer making codes, and one without.
type pair struct {
	t     *testing.T
	steps [2]*Step
	n     uint64
}

func newPair(t *testing.T, model string, c Config) *pair {
	t.Helper()
	p := &pair{t: t}
	for i, b := range []backend.Backend{cpu.New(), apart{cpu.New()}} {
		g, state := codedModel(t, model, b)
		s, err := CompileStep(context.Background(), g, c, observing, state)
		require.NoError(t, err)
		p.steps[i] = s
	}
	return p
}

func (p *pair) state(i int) *program.State { return p.steps[i].Program().State() }

// step runs a step of both and compares what they return and leave.
func (p *pair) step() error {
	p.t.Helper()
	p.n++
	var losses [2]float64
	var errs [2]error
	for i, s := range p.steps {
		losses[i], errs[i] = s.Run(context.Background(), codedBatch(p.n), 0.05)
	}
	if errs[1] != nil {
		require.Error(p.t, errs[0])
		var a, b *program.NodeError
		require.ErrorAs(p.t, errs[0], &a)
		require.ErrorAs(p.t, errs[1], &b)
		require.Equal(p.t, b.Node, a.Node)
		require.Equal(p.t, b.Err.Error(), a.Err.Error())
	} else {
		require.NoError(p.t, errs[0])
		require.Equal(p.t, losses[1], losses[0], "step %d", p.n)
	}
	p.same()
	return errs[0]
}

// same compares all states.
func (p *pair) same() {
	p.t.Helper()
	require.Equal(p.t, p.state(1).Names(), p.state(0).Names())
	a, err := p.state(0).Snapshot(context.Background())
	require.NoError(p.t, err)
	b, err := p.state(1).Snapshot(context.Background())
	require.NoError(p.t, err)
	for name, x := range b {
		require.Equal(p.t, x.Bytes(), a[name].Bytes(), "%s after step %d", name, p.n)
	}
}

// write changes a tensor of both states.
func (p *pair) write(name string, f func(x []float32)) {
	p.t.Helper()
	for i := range p.steps {
		x, err := p.state(i).Read(context.Background(), name)
		require.NoError(p.t, err)
		f(x.F32())
		require.NoError(p.t, p.state(i).Write(context.Background(), name, x))
	}
}

func codedConfig(optimizer string) Config {
	c := DefaultConfig()
	c.Batch, c.Optimizer.Name = 8, optimizer
	if optimizer != "sgd" {
		withoutMomentum(&c)
	}
	return c
}

func withoutMomentum(c *Config) {
	c.Optimizer.Momentum, c.Optimizer.Nesterov, c.Schedule.CycleMomentum = 0, false, false
}

// TestOptimizerMakesCodes trains with codes that the optimizer leaves for the
// next step and with weights quantized in every step: no bit may differ.
func TestOptimizerMakesCodes(t *testing.T) {
	for _, model := range []string{"mlp", "cnn"} {
		for name, change := range map[string]func(*Config){
			"momentum": func(*Config) {},
			"plain":    withoutMomentum,
			"clip ema": func(c *Config) { c.ClipNorm, c.EMA = 0.5, 0.9 },
			"adam":     func(c *Config) { *c = codedConfig("adam") },
			"adamw":    func(c *Config) { *c = codedConfig("adamw") },
		} {
			t.Run(model+" "+name, func(t *testing.T) {
				c := codedConfig("sgd")
				change(&c)
				p := newPair(t, model, c)
				n, plain := countOps(p.steps[0].Program()), countOps(p.steps[1].Program())
				require.Greater(t, plain["quantize_weight"], 1)
				require.Zero(t, n["quantize_weight"])
				require.Equal(t, plain["quantize_weight"], n["adopt_range"])
				require.Equal(t, plain["quantize_weight"], n["sgd_quantize_weight"]+n["adam_quantize_weight"])
				require.Zero(t, plain["sgd_quantize_weight"]+plain["adam_quantize_weight"])
				m, other := p.steps[0].Program().Memory(), p.steps[1].Program().Memory()
				var derived int64
				for _, v := range p.steps[0].Program().Graph().Values(graph.Derived) {
					derived += int64(v.Spec().Bytes())
				}
				require.Equal(t, other.States+derived, m.States)
				require.Zero(t, m.Saved.Weights)
				require.Greater(t, other.Saved.Weights, int64(0))
				for range 6 {
					require.NoError(t, p.step())
				}
			})
		}
	}
}

// TestCodesFollowTheWeights: whoever changes a parameter between steps, or
// stops one, the next step takes the codes of what the parameter is then.
func TestCodesFollowTheWeights(t *testing.T) {
	ctx := context.Background()
	p := newPair(t, "mlp", codedConfig("sgd"))
	require.NoError(t, p.step())
	var w string
	for _, n := range p.steps[0].Program().Graph().Derivations() {
		w = n.In[0].Name()
	}
	require.NotEmpty(t, w)

	// The rate is written at every step; the parameter only here.
	p.write(w, func(x []float32) { x[0] *= 3 })
	require.NoError(t, p.step())

	// A step that fails at the weight, again and again, until it is mended.
	var old float32
	p.write(w, func(x []float32) { old, x[1] = x[1], float32(math.NaN()) })
	require.ErrorIs(t, p.step(), backend.ErrNaN)
	require.ErrorIs(t, p.step(), backend.ErrNaN)
	p.write(w, func(x []float32) { x[1] = float32(math.Inf(1)) })
	require.Error(t, p.step())
	p.write(w, func(x []float32) { x[1] = old })
	require.NoError(t, p.step())

	// A step that fails on its input has not updated the weights.
	for _, s := range p.steps {
		b := codedBatch(99)
		b.X.F32()[3] = float32(math.NaN())
		_, err := s.Run(ctx, b, 0.05)
		require.ErrorIs(t, err, backend.ErrNaN)
	}
	p.same()
	require.NoError(t, p.step())

	// One that is stopped has updated some, or none.
	done, cancel := context.WithCancel(ctx)
	cancel()
	for _, s := range p.steps {
		require.ErrorIs(t, s.Program().Run(done), context.Canceled)
	}
	require.NoError(t, p.step())

	// A second training program on the same state, in turns with the first;
	// evaluation in between.
	second := &pair{t: t, n: 500}
	for i, s := range p.steps {
		g, _ := codedModel(t, "mlp", s.Program().State().Backend())
		other, err := CompileStep(ctx, g, codedConfig("sgd"), observing, p.state(i))
		require.NoError(t, err)
		second.steps[i] = other
	}
	for range 3 {
		require.NoError(t, second.step())
		require.NoError(t, p.step())
		var got [2]Metrics
		for i := range p.steps {
			g, _ := codedModel(t, "mlp", p.state(i).Backend())
			m, err := Evaluate(ctx, g, zeros{}, EvalOptions{State: p.state(i), Mode: graph.Mode{Quantize: graph.QuantizeInteger, FreezeBN: true}})
			require.NoError(t, err)
			got[i] = m
		}
		require.Equal(t, got[1], got[0])
		p.same()
	}
}

// TestUpdateWithoutRange: a parameter that the optimizer made infinite or NaN
// is reported by the next step, as when weights are quantized there.
func TestUpdateWithoutRange(t *testing.T) {
	for _, rate := range []float64{math.Inf(1), math.NaN()} {
		p := newPair(t, "mlp", codedConfig("sgd"))
		require.NoError(t, p.step())
		for _, s := range p.steps {
			_, err := s.Run(context.Background(), codedBatch(3), rate)
			require.NoError(t, err)
		}
		p.same()
		require.Error(t, p.step())
		require.Error(t, p.step())
	}
}

// TestCodesDoNotDependOnThreads compares the states of trainings with one and
// with several threads.
func TestCodesDoNotDependOnThreads(t *testing.T) {
	var want map[string]*tensor.Tensor
	for _, procs := range []int{1, 2, 5} {
		func() {
			defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(procs))
			g, state := codedModel(t, "mlp", cpu.New())
			s, err := CompileStep(context.Background(), g, codedConfig("sgd"), observing, state)
			require.NoError(t, err)
			for i := range 4 {
				_, err := s.Run(context.Background(), codedBatch(uint64(i)), 0.05)
				require.NoError(t, err)
			}
			got, err := state.Snapshot(context.Background())
			require.NoError(t, err)
			if want == nil {
				want = got
			}
			for name, x := range want {
				require.Equal(t, x.Bytes(), got[name].Bytes(), "%s with %d threads", name, procs)
			}
		}()
	}
}

// stopAt ends a training after a step.
type stopAt int64

func (s stopAt) Step(i StepInfo) error {
	if i.Step == int64(s) {
		return fmt.Errorf("stopped: %w", ErrInterrupted)
	}
	return nil
}
func (stopAt) Epoch(EpochInfo) error { return nil }

// TestCodesAfterResume: a training killed between checkpoints and resumed,
// with codes made by the optimizer, ends with the bits of one that was never
// stopped and quantizes its weights in every step; so do all its phases.
func TestCodesAfterResume(t *testing.T) {
	ctx := context.Background()
	c := codedConfig("adamw")
	c.Epochs, c.SaveEvery, c.LR, c.EMA = 2, 3, 0.01, 0.9
	fit := func(b backend.Backend, dir string, resume bool, cb ...Callback) (*program.State, error) {
		g, state := codedModel(t, "cnn", b)
		qc := qat.Default()
		r, err := Fit(ctx, g, c, Options{State: state, Train: zeros{}, Val: zeros{}, EvalMode: graph.Mode{Quantize: graph.QuantizeInteger, FreezeBN: true}, Phases: qc.Phases(16), Dir: dir, Resume: resume, Callbacks: cb})
		if err != nil {
			return nil, err
		}
		return r.State, nil
	}
	whole, err := fit(apart{cpu.New()}, t.TempDir(), false)
	require.NoError(t, err)
	dir := t.TempDir()
	_, err = fit(cpu.New(), dir, false, stopAt(5))
	require.ErrorIs(t, err, ErrInterrupted)
	resumed, err := fit(cpu.New(), dir, true)
	require.NoError(t, err)
	require.Equal(t, whole.Names(), resumed.Names())
	want, err := whole.Snapshot(ctx)
	require.NoError(t, err)
	got, err := resumed.Snapshot(ctx)
	require.NoError(t, err)
	for name, x := range want {
		require.Equal(t, x.Bytes(), got[name].Bytes(), name)
	}
}
