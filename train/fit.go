// Package train fits the parameters of a graph: it compiles the training
// program of each phase, feeds it batches, and keeps checkpoints from which a
// run goes on bit for bit, from any step. Observers and scales are to it
// named states of the program like running statistics.
package train

import (
	"context"
	"errors"
	"fmt"
	"math"
	"sync"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/data"
	"github.com/goqat/goqat/graph"
	"github.com/goqat/goqat/program"
	"github.com/goqat/goqat/tensor"
)

// Errors that a caller may test for with errors.Is.
var (
	// ErrDiverged: the loss is not a number any more.
	ErrDiverged = errors.New("training diverged")
	// ErrParted: the devices of a training do not have the same values, as by a
	// fault of memory; resuming goes on from the newest checkpoint.
	ErrParted = errors.New("devices have parted")
	// ErrInterrupted: the context ended; the work is saved.
	ErrInterrupted = errors.New("training interrupted")
)

// Options of [Fit] that are not data.
type Options struct {
	// Backend runs the programs; State, when not nil, holds the starting
	// values and receives the result.
	Backend backend.Backend
	State   *program.State
	// Peers are the states of the other devices of a training on several,
	// Config.Ranks less one, on backends of their own, of the same kind. Fit
	// joins the backends, gives the peers the values of State, and leaves the
	// trained values in all. What is saved and validated is State's.
	Peers []*program.State
	// Train and Val are the data; Val may be nil.
	Train, Val data.Dataset
	Augment    []data.Augment
	// Phases are the modes of training, the first from step 0; nil is float
	// training. EvalMode is the mode of validation.
	Phases   []graph.Phase
	EvalMode graph.Mode
	// Teacher is a model with the same input and output names whose
	// probabilities are distilled.
	Teacher *graph.Graph
	// Dir, when not empty, receives checkpoint/ and metrics.jsonl. Resume
	// goes on from the newest checkpoint in it.
	Dir    string
	Resume bool
	// Callbacks are told of every step and epoch.
	Callbacks []Callback
	// Memory bounds the bytes of the training program, 0 for no bound. A batch
	// that does not fit, into it or into the device, is computed in parts: see
	// Result.MicroBatch.
	Memory int64
}

// StepInfo is what a callback learns of a step.
type StepInfo struct {
	Step, Total int64 // Steps done, and of all.
	Epoch       int   // From 0.
	Loss        float64
	Rate        float64
}

// EpochInfo is the record of an epoch.
type EpochInfo struct {
	Epoch    int     `json:"epoch"` // From 1.
	Step     int64   `json:"step"`
	Loss     float64 `json:"loss"` // Mean over the epoch's steps.
	Rate     float64 `json:"lr"`
	ValLoss  float64 `json:"val_loss,omitempty"`
	Accuracy float64 `json:"accuracy,omitempty"` // Of the validation data, 0 to 1.
	Best     bool    `json:"best,omitempty"`
	Phase    string  `json:"phase"`
}

// Callback is told of progress; an error ends the training.
type Callback interface {
	Step(StepInfo) error
	Epoch(EpochInfo) error
}

// Result of [Fit].
type Result struct {
	// State holds the trained values.
	State *program.State
	// Steps is the number of steps done.
	Steps int64
	// History has one entry an epoch.
	History []EpochInfo
	// Resumed is the step the run went on from, 0 for a run from the start.
	Resumed int64
	// MicroBatch is the number of samples computed at a time: the batch, or a
	// part of it when memory did not suffice, with the gradients of the parts
	// added up. Batch norm's statistics and observers then see the parts.
	MicroBatch int
	// Warnings tell of checkpoints that could not be used, and of batches that
	// did not fit.
	Warnings []string
}

// trainer is a Fit under way.
type trainer struct {
	g      *graph.Graph
	c      Config
	o      Options
	state  *program.State
	loader *data.Loader
	total  int64
	perEp  int64

	// ranks are the devices; the first has state.
	ranks []*rank
	group backend.Group // nil for one device.
	// hands are the goroutines of the ranks, running those of the step.
	hands, running sync.WaitGroup
	gate           gate
	micro          int // Samples at a time and device, all unless they do not fit.
	phase          int
	eval           *evaluator

	step    int64
	lossSum float64 // of this epoch
	history []EpochInfo
	best    float64
	bestAt  int
	keep    map[string]*tensor.Tensor // best weights
	rate    *tensor.Tensor
	move    *tensor.Tensor
	record  *metrics // nil without a folder

	warnings []string
}

// Fit trains g, whose input is named [InputName] and whose result
// [OutputName], and returns the trained state. It does not change g; see
// program.State.StoreTo. When ctx ends, Fit ends the step behind the operation
// that runs, as if it had not begun, saves a checkpoint if there is a Dir, and
// returns the result so far with [ErrInterrupted]. It finishes a step that has
// begun to change parameters, and every one where a backend runs steps as one.
func Fit(ctx context.Context, g *graph.Graph, c Config, o Options) (*Result, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	t, err := start(g, c, o)
	if err != nil {
		return nil, err
	}
	defer t.close()
	if err := t.join(ctx); err != nil {
		return nil, err
	}
	res := &Result{State: t.state}
	if o.Resume {
		w, err := t.resume(ctx)
		if err != nil {
			return nil, err
		}
		t.warnings = append(w, t.warnings...)
		res.Resumed = t.step
	}
	cbs := o.Callbacks
	if o.Dir != "" {
		m, err := openMetrics(o.Dir, t.step)
		if err != nil {
			return nil, err
		}
		defer m.Close()
		t.record = m
		cbs = append([]Callback{m}, cbs...)
	}
	err = t.run(ctx, cbs)
	res.Steps, res.History, res.MicroBatch, res.Warnings = t.step, t.history, t.micro, t.warnings
	return res, err
}

// close gives back what the training holds beside the state.
func (t *trainer) close() {
	_ = t.loader.Close()
	t.closeUnits()
	for _, r := range t.ranks {
		r.teacher.Close()
	}
	t.part()
	if t.eval != nil {
		t.eval.p.Close()
	}
}

func start(g *graph.Graph, c Config, o Options) (*trainer, error) {
	if o.State == nil {
		if o.Backend == nil {
			return nil, fmt.Errorf("train: Options needs a Backend or a State")
		}
		o.State = program.NewState(o.Backend)
	}
	if o.Train == nil {
		return nil, fmt.Errorf("train: Options needs training data")
	}
	if len(o.Phases) == 0 {
		o.Phases = []graph.Phase{{Mode: graph.Mode{Train: true}}}
	}
	if len(o.Peers) != c.ranks()-1 {
		return nil, fmt.Errorf("train: %d ranks in the config, and %d Peers beside the State: want one less", c.ranks(), len(o.Peers))
	}
	if (c.Distill > 0) != (o.Teacher != nil) {
		return nil, fmt.Errorf("train: distill in the config and a teacher go together")
	}
	if err := checkData(g, &c, o.Train); err != nil {
		return nil, err
	}
	l, err := data.NewLoader(o.Train, data.LoaderOptions{Batch: c.Batch, Shuffle: true, Seed: c.Seed, DropLast: true, Augment: o.Augment})
	if err != nil {
		return nil, fmt.Errorf("train: %w", err)
	}
	t := &trainer{g: g, c: c, o: o, state: o.State, loader: l, micro: c.Batch / c.ranks(), phase: -1, best: math.Inf(-1), bestAt: -1}
	t.gate.ctx, t.gate.stop = context.Background(), t.stopped
	t.perEp = int64(l.StepsPerEpoch())
	if t.perEp < 1 {
		_ = l.Close()
		return nil, fmt.Errorf("train: %d samples do not fill one batch of %d", o.Train.Len(), c.Batch)
	}
	t.total = t.perEp * int64(c.Epochs)
	t.rate, t.move = tensor.New(tensor.Of(tensor.F32, 1)), tensor.New(tensor.Of(tensor.F32, 1))
	for _, s := range append([]*program.State{t.state}, o.Peers...) {
		t.ranks = append(t.ranks, &rank{c: &t.c, gate: &t.gate, state: s, loss: tensor.New(tensor.Of(tensor.F32))})
	}
	return t, nil
}

// checkData compares what the model takes and gives with the data.
func checkData(g *graph.Graph, c *Config, d data.Dataset) error {
	x, ok := g.Lookup(InputName)
	if !ok || x.Kind() != graph.Input {
		return fmt.Errorf("train: the model has no input %q", InputName)
	}
	y, ok := g.Lookup(OutputName)
	if !ok {
		return fmt.Errorf("train: the model has no output %q", OutputName)
	}
	if s := x.Shape(); len(s) < 1 || s[1:].Numel() != d.Shape().Numel() {
		return fmt.Errorf("train: the model takes samples of %v, the data has %v", s[min(1, len(s)):], d.Shape())
	}
	if c.Loss == "reconstruction" {
		return nil
	}
	if d.Classes() == 0 {
		return fmt.Errorf("train: the data has no labels: cross entropy needs them; use the reconstruction loss for an autoencoder")
	}
	if k := y.Shape().Last(); k < d.Classes() {
		return fmt.Errorf("train: the model has %d outputs, the data %d classes", k, d.Classes())
	}
	return nil
}

// run does the steps from t.step to the end.
func (t *trainer) run(ctx context.Context, cbs []Callback) error {
	// A step that has begun is finished or undone, so that the state is always
	// that after a whole step: the gate alone looks at ctx.
	whole := context.WithoutCancel(ctx)
	t.gate.ctx = ctx
	for {
		if t.epochDue() {
			stop, err := t.epoch(ctx, cbs)
			if err != nil && ctx.Err() != nil {
				return t.interrupted(ctx)
			}
			if err != nil {
				return err
			}
			if stop {
				break
			}
		}
		if t.step >= t.total {
			break
		}
		if ctx.Err() != nil {
			return t.interrupted(ctx)
		}
		if err := t.enterPhase(whole); err != nil {
			return err
		}
		b, err := t.loader.Next(ctx)
		if err != nil && ctx.Err() != nil {
			return t.interrupted(ctx)
		}
		if err != nil {
			return fmt.Errorf("train: step %d: %w", t.step+1, err)
		}
		info, err := t.one(whole, b)
		if errors.Is(err, errStopped) {
			return t.interrupted(ctx)
		}
		if err != nil {
			return err
		}
		for _, cb := range cbs {
			if err := cb.Step(info); err != nil {
				return err
			}
		}
		if t.c.SaveEvery > 0 && t.step%int64(t.c.SaveEvery) == 0 && !t.epochDue() {
			err := t.save(ctx)
			if err != nil && ctx.Err() != nil {
				return t.interrupted(ctx)
			}
			if err != nil {
				return err
			}
		}
	}
	return t.finish(whole)
}

// epochDue reports whether an epoch has ended whose record is not made yet,
// perhaps because the training was interrupted before it could be.
func (t *trainer) epochDue() bool {
	return t.step > 0 && t.step%t.perEp == 0 && int64(len(t.history)) < t.step/t.perEp
}

// one does one step.
func (t *trainer) one(ctx context.Context, b *data.Batch) (StepInfo, error) {
	rate := t.c.LR * t.c.Schedule.Rate(t.step, t.total)
	t.rate.F32()[0] = float32(rate)
	err := t.write(ctx, stateRate, t.rate)
	if err == nil && t.c.Schedule.CycleMomentum {
		t.move.F32()[0] = float32(t.c.momentum(t.step, t.total))
		err = t.write(ctx, stateMove, t.move)
	}
	var loss float64
	if err == nil {
		loss, err = t.runRanks(ctx, b)
	}
	if err != nil {
		return StepInfo{}, fmt.Errorf("train: step %d: %w", t.step+1, err)
	}
	if math.IsNaN(loss) || math.IsInf(loss, 0) {
		return StepInfo{}, fmt.Errorf("train: step %d: loss is %v: lower the learning rate (now %.3g) or set clip_norm; checkpoints are from before: %w", t.step+1, loss, rate, ErrDiverged)
	}
	t.step++
	t.lossSum += loss
	return StepInfo{Step: t.step, Total: t.total, Epoch: int((t.step - 1) / t.perEp), Loss: loss, Rate: rate}, nil
}

// phaseAt returns the index of the phase that a step is in.
func (t *trainer) phaseAt(step int64) int {
	k := 0
	for i, p := range t.o.Phases {
		if p.From <= step {
			k = i
		}
	}
	return k
}

// enterPhase compiles the program of the phase that the next step is in.
func (t *trainer) enterPhase(ctx context.Context) error {
	k := t.phaseAt(t.step)
	if k == t.phase {
		return nil
	}
	t.closeUnits() // The old arena may go before the next one comes.
	if err := t.compileFitting(ctx, t.o.Phases[k].Mode); err != nil {
		return err
	}
	t.phase = k
	return nil
}

// epoch closes an epoch: validation, record, checkpoint. It reports whether
// to stop early.
func (t *trainer) epoch(ctx context.Context, cbs []Callback) (stop bool, err error) {
	e := EpochInfo{Epoch: int(t.step / t.perEp), Step: t.step, Loss: t.lossSum / float64(t.perEp), Rate: float64(float32(t.c.LR * t.c.Schedule.Rate(t.step-1, t.total))),
		Phase: phaseName(t.o.Phases[t.phaseAt(t.step-1)].Mode)}
	if t.o.Val != nil {
		m, err := t.validate(ctx)
		if err != nil {
			return false, err
		}
		e.ValLoss, e.Accuracy = m.Loss, m.Accuracy
		score := m.Accuracy
		if t.c.Loss == "reconstruction" {
			score = -m.Loss
		}
		if score > t.best {
			t.best, t.bestAt, e.Best = score, e.Epoch, true
			if t.c.Patience > 0 {
				if t.keep, err = t.state.Snapshot(ctx); err != nil {
					return false, err
				}
			}
		}
		stop = t.c.Patience > 0 && e.Epoch-t.bestAt >= t.c.Patience
	}
	t.history = append(t.history, e)
	t.lossSum = 0
	for _, cb := range cbs {
		if err := cb.Epoch(e); err != nil {
			return false, err
		}
	}
	return stop, t.save(ctx)
}

func phaseName(m graph.Mode) string {
	switch {
	case m.Deployed():
		return "deployed"
	case m.Quantize == graph.QuantizeInteger:
		return "integer"
	case m.Quantize == graph.QuantizeFloat:
		return "fake_quant"
	}
	return "float"
}

// validate measures the model as it is used: with averaged weights if there
// are any.
func (t *trainer) validate(ctx context.Context) (Metrics, error) {
	if t.eval == nil {
		e, err := newEvaluator(ctx, t.g, t.o.Val, EvalOptions{State: t.state, Mode: t.o.EvalMode, Loss: t.c.Loss})
		if err != nil {
			return Metrics{}, err
		}
		t.eval = e
	}
	if t.c.EMA == 0 {
		return t.eval.run(ctx)
	}
	back, err := t.swapEMA(ctx)
	if err != nil {
		return Metrics{}, err
	}
	m, err := t.eval.run(ctx)
	if e := t.restore(ctx, back); e != nil {
		return m, e
	}
	return m, err
}

// swapEMA puts the averaged weights in place and returns the others.
func (t *trainer) swapEMA(ctx context.Context) (map[string]*tensor.Tensor, error) {
	back := map[string]*tensor.Tensor{}
	for _, v := range t.g.Values(graph.Param) {
		if !t.state.Has(emaPrefix + v.Name()) {
			continue
		}
		w, err := t.state.Read(ctx, v.Name())
		if err != nil {
			return nil, err
		}
		a, err := t.state.Read(ctx, emaPrefix+v.Name())
		if err != nil {
			return nil, err
		}
		if err := t.state.Write(ctx, v.Name(), a); err != nil {
			return nil, err
		}
		back[v.Name()] = w
	}
	return back, nil
}

func (t *trainer) restore(ctx context.Context, m map[string]*tensor.Tensor) error {
	for name, w := range m {
		if err := t.state.Write(context.WithoutCancel(ctx), name, w); err != nil {
			return err
		}
	}
	return nil
}

// finish leaves the best weights (early stopping) or the averaged ones (EMA)
// in the state.
func (t *trainer) finish(ctx context.Context) error {
	if t.keep != nil {
		if err := t.restore(ctx, t.keep); err != nil {
			return err
		}
	}
	if t.c.EMA > 0 {
		_, err := t.swapEMA(ctx)
		return err
	}
	return nil
}

func (t *trainer) interrupted(ctx context.Context) error {
	if err := t.save(context.WithoutCancel(ctx)); err != nil {
		return fmt.Errorf("train: interrupted after step %d and not saved: %w", t.step, err)
	}
	if t.o.Dir == "" {
		return fmt.Errorf("train: stopped after step %d of %d: %w: %w", t.step, t.total, ErrInterrupted, context.Cause(ctx))
	}
	return fmt.Errorf("train: stopped after step %d of %d, saved in %s: %w: %w", t.step, t.total, t.o.Dir, ErrInterrupted, context.Cause(ctx))
}
