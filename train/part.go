package train

import (
	"context"
	"fmt"

	"github.com/goqat/goqat/data"
	"github.com/goqat/goqat/program"
	"github.com/goqat/goqat/tensor"
)

// part is some samples of a batch as the programs of a rank take them, sharing
// the batch's bytes.
type part struct{ x, y, teach *tensor.Tensor }

// partKey is the samples [lo, hi) of the batch whose samples are x.
type partKey struct {
	x      *tensor.Tensor
	lo, hi int
}

// of returns samples [lo, hi) of b. A loader has few batches, which come again
// and again, so parts are kept: a step makes none.
func (r *rank) of(b *data.Batch, lo, hi int) (part, error) {
	k := partKey{b.X, lo, hi}
	if p, ok := r.parts[k]; ok {
		return p, nil
	}
	var p part
	x, err := b.X.View(lo, hi)
	if err == nil {
		p.x, err = inputOf(r.unit.prog, x)
	}
	if err == nil && r.c.Loss != "reconstruction" {
		p.y, err = b.Y.View(lo, hi)
	}
	if err == nil && r.teacher != nil {
		p.teach, err = inputOf(r.teacher, x)
	}
	if err != nil {
		return part{}, err
	}
	if r.parts == nil {
		r.parts = map[partKey]part{}
	}
	r.parts[k] = p
	return p, nil
}

// inputOf returns x in the shape in which the model takes its samples.
func inputOf(p *program.Program, x *tensor.Tensor) (*tensor.Tensor, error) {
	v, ok := p.Graph().Lookup(InputName)
	if !ok {
		return nil, fmt.Errorf("train: the model has no input %q", InputName)
	}
	if v.Shape().Equal(x.Shape()) {
		return x, nil
	}
	y, err := x.Reshape(v.Shape()...)
	if err != nil {
		return nil, fmt.Errorf("train: the model's input: %w", err)
	}
	return y, nil
}

// setInput gives a batch to the model's input.
func setInput(ctx context.Context, p *program.Program, x *tensor.Tensor) error {
	x, err := inputOf(p, x)
	if err != nil {
		return err
	}
	return p.SetInput(ctx, InputName, x)
}

// feed copies samples to the inputs of the training program, and of the
// teacher, whose answer is an input too.
func (r *rank) feed(ctx context.Context, s part) error {
	p := r.unit.prog
	if err := p.SetInput(ctx, InputName, s.x); err != nil {
		return err
	}
	if s.y != nil {
		if err := p.SetInput(ctx, labelName, s.y); err != nil {
			return err
		}
	}
	if r.teacher == nil {
		return nil
	}
	if err := r.teacher.SetInput(ctx, InputName, s.teach); err != nil {
		return err
	}
	if err := r.teacher.RunGated(ctx, r.gate); err != nil {
		return fmt.Errorf("teacher: %w", err)
	}
	if err := r.teacher.ReadOutput(ctx, OutputName, r.answer); err != nil {
		return err
	}
	return p.SetInput(ctx, teachName, r.answer)
}

// step runs the step on samples [lo, hi) of b, the rank's share, and returns
// the loss, the mean over them.
func (r *rank) step(ctx context.Context, b *data.Batch, lo, hi int) (float64, error) {
	u := r.unit
	if u.parts == 1 {
		return r.run(ctx, b, lo, hi)
	}
	micro := (hi - lo) / u.parts
	var sum float64
	for i := range u.parts {
		loss, err := r.run(ctx, b, lo+i*micro, lo+(i+1)*micro)
		if err != nil {
			return 0, err
		}
		sum += loss
	}
	if err := r.gate.Pass(); err != nil {
		return 0, err
	}
	return sum / float64(u.parts), u.update.Run(ctx)
}

// run runs the training program on samples [lo, hi) of b.
func (r *rank) run(ctx context.Context, b *data.Batch, lo, hi int) (float64, error) {
	s, err := r.of(b, lo, hi)
	if err != nil {
		return 0, err
	}
	if err := r.feed(ctx, s); err != nil {
		return 0, err
	}
	if err := r.unit.prog.RunGated(ctx, r.gate); err != nil {
		return 0, err
	}
	err = r.unit.prog.ReadOutput(ctx, lossName, r.loss)
	return float64(r.loss.F32()[0]), err
}
