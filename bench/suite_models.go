package bench

import (
	"context"
	"fmt"
	"math/rand/v2"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/data"
	"github.com/goqat/goqat/graph"
	"github.com/goqat/goqat/nn"
	_ "github.com/goqat/goqat/op" // The operations that models are made of.
	"github.com/goqat/goqat/program"
	"github.com/goqat/goqat/qat"
	"github.com/goqat/goqat/target"
	"github.com/goqat/goqat/tensor"
	"github.com/goqat/goqat/train"
)

// stepFigures are whole training steps: batch into the program, forward and
// backward pass, SGD with momentum, loss back.
func stepFigures() []figure {
	var fs []figure
	for _, model := range []string{"cnn", "mlp"} {
		for _, kind := range []string{"float", "qat"} {
			const batch = 128
			fs = append(fs, figure{fmt.Sprintf("step/%s/%s/b%d", model, kind, batch), "ms", func(ctx context.Context, b backend.Backend) (func(int) error, error) {
				return stepRun(ctx, b, model, kind == "qat", batch)
			}, milliseconds})
		}
	}
	return fs
}

func stepRun(ctx context.Context, b backend.Backend, model string, quantized bool, batch int) (func(int) error, error) {
	sample := tensor.Shape{28, 28, 1}
	g, err := build(model, sample, 10)
	if err != nil {
		return nil, err
	}
	d := noise{n: 4 * batch, shape: sample, classes: 10}
	state, mode := program.NewState(b), graph.Mode{Train: true}
	if quantized {
		qc := qat.Default()
		if g, err = qat.Prepare(g, qc); err != nil {
			return nil, err
		}
		if state, err = qat.Calibrate(ctx, g, d, qat.DataOptions{Backend: b, Batch: batch, Samples: batch}); err != nil {
			return nil, err
		}
		mode = qc.Phases(100)[0].Mode
	}
	c := train.DefaultConfig()
	c.Batch = batch
	step, err := train.CompileStep(ctx, g, c, mode, state)
	if err != nil {
		return nil, err
	}
	batches, err := d.batches(batch)
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

// inferenceFigures are runs of a session: samples in, logits out.
func inferenceFigures() []figure {
	var fs []figure
	add := func(sample tensor.Shape, classes, batch int, models ...string) {
		for _, model := range models {
			for _, kind := range []string{"float", "int8"} {
				fs = append(fs, figure{fmt.Sprintf("infer/%s/%s/b%d", model, kind, batch), "ms", func(ctx context.Context, b backend.Backend) (func(int) error, error) {
					return inferRun(ctx, b, model, kind == "int8", sample, classes, batch)
				}, milliseconds})
			}
		}
	}
	add(tensor.Shape{28, 28, 1}, 10, 128, "cnn", "mlp")
	add(tensor.Shape{224, 224, 3}, 1000, 1, "mobilenetv2", "resnet18")
	return fs
}

func inferRun(ctx context.Context, b backend.Backend, model string, integers bool, sample tensor.Shape, classes, batch int) (func(int) error, error) {
	g, err := build(model, sample, classes)
	if err != nil {
		return nil, err
	}
	d := noise{n: max(2*batch, 4), shape: sample, classes: classes}
	if integers {
		if g, err = quantized(ctx, g, d, b); err != nil {
			return nil, err
		}
	}
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
