package qat

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/data"
	"github.com/goqat/goqat/graph"
	"github.com/goqat/goqat/program"
	"github.com/goqat/goqat/tensor"
)

// DataOptions say on what a prepared model is run to look at its values.
type DataOptions struct {
	// State has the model's values and receives the ranges; with a nil State,
	// Backend runs the graph's own values.
	State   *program.State
	Backend backend.Backend
	// Reference has the values of the float model that the quantized one is
	// compared with; nil takes State, which holds until AdaRound or
	// CorrectBias change it. An empty one begins with the graph's own values.
	Reference *program.State
	// Samples is how many to look at (1024 when 0), Batch how many at a time
	// (128 when 0).
	Samples, Batch int
	// Input names the model's input, "input" when empty.
	Input string
}

func (o *DataOptions) defaults(d data.Dataset) {
	if o.Samples == 0 {
		o.Samples = 1024
	}
	if o.Batch == 0 {
		o.Batch = 128
	}
	o.Samples = min(o.Samples, d.Len())
	o.Batch = max(min(o.Batch, o.Samples), 1)
	if o.Input == "" {
		o.Input = "input"
	}
	if o.State == nil && o.Backend != nil {
		o.State = program.NewState(o.Backend)
	}
}

func (o *DataOptions) reference() *program.State {
	if o.Reference != nil {
		return o.Reference
	}
	return o.State
}

// Calibrate runs the float model on samples of d and sets every quantizer's
// range from what its observer saw: all there is to post-training
// quantization, and where learned scales start.
func Calibrate(ctx context.Context, g *graph.Graph, d data.Dataset, o DataOptions) (*program.State, error) {
	o.defaults(d)
	if o.State == nil {
		return nil, fmt.Errorf("qat: calibration needs a Backend or a State")
	}
	if o.Samples < 1 {
		return nil, fmt.Errorf("qat: calibration needs data: there are no samples")
	}
	p, err := program.Compile(ctx, g, program.Options{State: o.State, Batch: o.Batch, Mode: graph.Mode{Ranges: graph.RangesCalibrate}})
	if err != nil {
		return nil, fmt.Errorf("qat: calibrate: %w", err)
	}
	defer p.Close()
	err = each(ctx, d, o, func(x *tensor.Tensor, _ int) error {
		if err := setInput(ctx, p, o.Input, x); err != nil {
			return err
		}
		return p.Run(ctx)
	})
	if err != nil {
		return nil, fmt.Errorf("qat: calibrate: %w", err)
	}
	return o.State, nil
}

// each calls f with batches of whole samples, the first ones of d.
func each(ctx context.Context, d data.Dataset, o DataOptions, f func(x *tensor.Tensor, n int) error) error {
	l, err := data.NewLoader(d, data.LoaderOptions{Batch: o.Batch})
	if err != nil {
		return err
	}
	defer l.Close()
	for done := 0; done+o.Batch <= o.Samples; done += o.Batch {
		b, err := l.Next(ctx)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if b.N < o.Batch {
			return nil // The last one is filled up with repeats.
		}
		if err := f(b.X, b.N); err != nil {
			return err
		}
	}
	return nil
}

func setInput(ctx context.Context, p *program.Program, name string, x *tensor.Tensor) error {
	v, ok := p.Graph().Lookup(name)
	if !ok {
		return fmt.Errorf("the model has no input %q", name)
	}
	y, err := x.Reshape(v.Shape()...)
	if err != nil {
		return err
	}
	return p.SetInput(ctx, name, y)
}
