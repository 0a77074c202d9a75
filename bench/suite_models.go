package bench

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/data"
	"github.com/goqat/goqat/graph"
	"github.com/goqat/goqat/nn"
	"github.com/goqat/goqat/program"
	"github.com/goqat/goqat/qat"
	"github.com/goqat/goqat/target"
	"github.com/goqat/goqat/tensor"
	"github.com/goqat/goqat/train"
)

// stepBatch is the number of samples of a training step.
const stepBatch = 128

// stepFigures are whole training steps: batch into the program, forward and
// backward pass, SGD with momentum, loss back. Beside their time stand the
// bytes that a step keeps from the forward to the backward pass and what it
// allocates.
func stepFigures() []figure {
	var fs []figure
	each := func(do func(model, kind string)) {
		for _, model := range []string{"cnn", "mlp"} {
			for _, kind := range stepKinds {
				do(model, kind)
			}
		}
	}
	each(func(model, kind string) {
		fs = append(fs, figure{name: fmt.Sprintf("step/%s/%s/b%d", model, kind, stepBatch), unit: "ms", value: milliseconds,
			prepare: func(ctx context.Context, b backend.Backend) (func(int) error, error) {
				return stepRun(ctx, b, model, kind, stepBatch)
			}})
	})
	each(func(model, kind string) {
		fs = append(fs, figure{name: fmt.Sprintf("memory/%s/%s/b%d", model, kind, stepBatch), unit: "bytes",
			count: func(ctx context.Context, b backend.Backend) (float64, error) {
				s, _, err := compileStep(ctx, b, model, kind, stepBatch)
				if err != nil {
					return 0, err
				}
				return float64(s.Program().Memory().Saved.Activations()), nil
			}})
	})
	each(func(model, kind string) {
		fs = append(fs, allocations(fmt.Sprintf("step/%s/%s/b%d", model, kind, stepBatch), func(ctx context.Context, b backend.Backend) (func(int) error, error) {
			return stepRun(ctx, b, model, kind, stepBatch)
		}))
	})
	return fs
}

// The kinds of steps: float, quantized while ranges are observed, and
// quantized on the deployed integers, after ranges and batch normalization
// are frozen.
const (
	stepFloat  = "float"
	stepQAT    = "qat"
	stepFrozen = "qat-frozen"
)

var stepKinds = []string{stepFloat, stepQAT, stepFrozen}

// compileStep compiles a step and makes batches for it.
func compileStep(ctx context.Context, b backend.Backend, model, kind string, batch int) (*train.Step, []*data.Batch, error) {
	sample := tensor.Shape{28, 28, 1}
	g, err := build(model, sample, 10)
	if err != nil {
		return nil, nil, err
	}
	d := noise{n: 4 * batch, shape: sample, classes: 10}
	state, mode := program.NewState(b), graph.Mode{Train: true}
	if kind != stepFloat {
		qc := qat.Default()
		if g, err = qat.Prepare(g, qc); err != nil {
			return nil, nil, err
		}
		if state, err = qat.Calibrate(ctx, g, d, qat.DataOptions{Backend: b, Batch: batch, Samples: batch}); err != nil {
			return nil, nil, err
		}
		phases := qc.Phases(100)
		mode = phases[0].Mode
		if kind == stepFrozen {
			mode = phases[len(phases)-1].Mode
		}
	}
	c := train.DefaultConfig()
	c.Batch = batch
	step, err := train.CompileStep(ctx, g, c, mode, state)
	if err != nil {
		return nil, nil, err
	}
	batches, err := d.batches(batch)
	return step, batches, err
}

func stepRun(ctx context.Context, b backend.Backend, model, kind string, batch int) (func(int) error, error) {
	step, batches, err := compileStep(ctx, b, model, kind, batch)
	if err != nil {
		return nil, err
	}
	return func(i int) error {
		// The rate is small because the data is noise: what is measured does
		// not depend on it, but a loss that overflows would stop the run.
		_, err := step.Run(ctx, batches[i%len(batches)], 1e-3)
		return err
	}, nil
}

// inferenceFigures are runs of a session: samples in, logits out, and what
// they allocate.
func inferenceFigures() []figure {
	var times, allocs []figure
	add := func(sample tensor.Shape, classes, batch int, models ...string) {
		for _, model := range models {
			for _, kind := range []string{"float", "int8"} {
				f := figure{name: fmt.Sprintf("infer/%s/%s/b%d", model, kind, batch), unit: "ms", value: milliseconds,
					prepare: func(ctx context.Context, b backend.Backend) (func(int) error, error) {
						return inferRun(ctx, b, model, kind == "int8", sample, classes, batch)
					}}
				times, allocs = append(times, f), append(allocs, allocations(f.name, f.prepare))
			}
		}
	}
	add(tensor.Shape{28, 28, 1}, 10, 128, "cnn", "mlp")
	add(tensor.Shape{224, 224, 3}, 1000, 1, "mobilenetv2", "resnet18")
	return append(times, allocs...)
}

// allocations is the figure of what a run of another one allocates once it
// has run a few times.
func allocations(of string, prepare func(ctx context.Context, b backend.Backend) (func(int) error, error)) figure {
	return figure{name: "allocs/" + of, unit: "allocs", count: func(ctx context.Context, b backend.Backend) (float64, error) {
		run, err := prepare(ctx, b)
		if err != nil {
			return 0, err
		}
		return countAllocations(run)
	}}
}

// countAllocations returns the allocations of a run, the fewest of several
// counts: other goroutines of the process allocate, too.
func countAllocations(run func(i int) error) (float64, error) {
	const warmup, counts, runs = 3, 3, 5
	for i := range warmup {
		if err := run(i); err != nil {
			return 0, err
		}
	}
	least := math.Inf(1)
	var before, after runtime.MemStats
	for range counts {
		runtime.ReadMemStats(&before)
		for i := range runs {
			if err := run(i); err != nil {
				return 0, err
			}
		}
		runtime.ReadMemStats(&after)
		least = min(least, float64(after.Mallocs-before.Mallocs)/runs)
	}
	return least, nil
}

func inferRun(ctx context.Context, b backend.Backend, model string, integers bool, sample tensor.Shape, classes, batch int) (func(int) error, error) {
	d := noise{n: max(2*batch, 4), shape: sample, classes: classes}
	g, err := inferGraph(ctx, b, model, integers, d)
	if err != nil {
		return nil, err
	}
	return sessionRun(ctx, b, g, d, batch)
}

// inferGraph returns a model of the zoo, or its integer model.
func inferGraph(ctx context.Context, b backend.Backend, model string, integers bool, d noise) (*graph.Graph, error) {
	g, err := build(model, d.shape, d.classes)
	if err != nil || !integers {
		return g, err
	}
	return quantized(ctx, g, d, b)
}

// sessionRun opens a session of g and runs it on samples of d.
func sessionRun(ctx context.Context, b backend.Backend, g *graph.Graph, d noise, batch int) (func(int) error, error) {
	s, err := target.OpenGraph(ctx, g, b, batch)
	if err != nil {
		return nil, err
	}
	r := runner{s: s}
	if err := r.prepare(&Options{}, d); err != nil {
		return nil, err
	}
	r.sets = r.sets[:min(len(r.sets), 4)]
	if err := r.fill(ctx, d); err != nil {
		return nil, err
	}
	return func(i int) error { return s.Run(ctx, r.sets[i%len(r.sets)], r.out) }, nil
}

// quantized returns the integer model of g after calibration on d.
func quantized(ctx context.Context, g *graph.Graph, d data.Dataset, b backend.Backend) (*graph.Graph, error) {
	c := qat.Default()
	p, err := qat.Prepare(g, c)
	if err != nil {
		return nil, err
	}
	state, err := qat.Calibrate(ctx, p, d, qat.DataOptions{Backend: b, Batch: min(d.Len(), 16), Samples: min(d.Len(), 64)})
	if err != nil {
		return nil, err
	}
	if err := state.StoreTo(ctx, p); err != nil {
		return nil, err
	}
	m, err := qat.Convert(ctx, p, c, b)
	if err != nil {
		return nil, err
	}
	return m.Graph, nil
}

// build makes a model of the zoo; one that this build does not have is
// [errNotHere].
func build(model string, sample tensor.Shape, classes int) (*graph.Graph, error) {
	for _, m := range nn.Models() {
		if m.Name == model {
			return nn.Build(model, sample, classes, 1)
		}
	}
	return nil, fmt.Errorf("model %s is %w", model, errNotHere)
}

// noise is a data set of normal noise with labels in turn.
type noise struct {
	n, classes int
	shape      tensor.Shape
}

func (d noise) Len() int             { return d.n }
func (d noise) Shape() tensor.Shape  { return d.shape.Clone() }
func (d noise) Classes() int         { return d.classes }
func (d noise) ClassNames() []string { return nil }

// Sample writes sample i, which depends on i alone.
func (d noise) Sample(i int, x []float32) (int32, error) {
	if i < 0 || i >= d.n || len(x) != d.shape.Numel() {
		return 0, fmt.Errorf("bench: sample %d of %d with %d elements", i, d.n, len(x))
	}
	r := rand.New(rand.NewPCG(uint64(i), 3))
	for j := range x {
		x[j] = float32(r.NormFloat64())
	}
	return int32(i % d.classes), nil
}

// batches returns all samples in batches of their own memory.
func (d noise) batches(size int) ([]*data.Batch, error) {
	var bs []*data.Batch
	k := d.shape.Numel()
	for first := 0; first+size <= d.n; first += size {
		b := &data.Batch{X: tensor.New(tensor.Of(tensor.F32, append(tensor.Shape{size}, d.shape...)...)), Y: tensor.New(tensor.Of(tensor.I32, size)), N: size}
		for i := range size {
			label, err := d.Sample(first+i, b.X.F32()[i*k:(i+1)*k])
			if err != nil {
				return nil, err
			}
			b.Y.I32()[i] = label
		}
		bs = append(bs, b)
	}
	return bs, nil
}
