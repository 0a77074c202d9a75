package train

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/data"
	"github.com/goqat/goqat/program"
	"github.com/goqat/goqat/tensor"
)

// rank is one device of a training: a program for its part of the batch, and
// a state that is the same on all ranks after every step.
type rank struct {
	c       *Config
	state   *program.State
	unit    *unit
	teacher *program.Program
	loss    *tensor.Tensor
}

// join makes the backends of the ranks a group and gives all the values of the
// first.
func (t *trainer) join(ctx context.Context) error {
	if len(t.ranks) < 2 {
		return nil
	}
	bs := make([]backend.Backend, len(t.ranks))
	for i, r := range t.ranks {
		bs[i] = r.state.Backend()
	}
	g, err := backend.Join(bs...)
	if err != nil {
		return fmt.Errorf("train: %d devices: %w", len(bs), err)
	}
	t.group = g
	return t.share(ctx)
}

// share gives all ranks the values of the first.
func (t *trainer) share(ctx context.Context) error {
	for _, name := range t.state.Names() {
		v, err := t.state.Read(ctx, name)
		if err != nil {
			return fmt.Errorf("train: %w", err)
		}
		for i, r := range t.ranks[1:] {
			if err := r.state.Write(ctx, name, v); err != nil {
				return fmt.Errorf("train: device %d: %w", i+1, err)
			}
		}
	}
	return nil
}

// part dissolves the group.
func (t *trainer) part() {
	if t.group != nil {
		_ = t.group.Close()
	}
}

func (t *trainer) closeUnits() {
	for _, r := range t.ranks {
		r.unit.close()
		r.unit = nil
	}
}

// write sets a state of all ranks.
func (t *trainer) write(ctx context.Context, name string, v *tensor.Tensor) error {
	for _, r := range t.ranks {
		if err := r.state.Write(ctx, name, v); err != nil {
			return err
		}
	}
	return nil
}

// runRanks runs the step on batch b, a part of it on each rank, and returns
// the loss, the mean over all samples. When a rank fails, so do the others,
// which would wait for it for ever; the error is that of the first.
func (t *trainer) runRanks(ctx context.Context, b *data.Batch) (float64, error) {
	if len(t.ranks) == 1 {
		return t.ranks[0].step(ctx, b.X, b.Y)
	}
	share := t.c.Batch / len(t.ranks)
	losses, errs := make([]float64, len(t.ranks)), make([]error, len(t.ranks))
	var all sync.WaitGroup
	for i, r := range t.ranks {
		all.Go(func() {
			x, y, err := samples(b.X, b.Y, i*share, (i+1)*share)
			if err == nil {
				losses[i], err = r.step(ctx, x, y)
			}
			if err != nil {
				errs[i] = err
				t.group.Abort(fmt.Errorf("device %d of %d failed", i, len(t.ranks)))
			}
		})
	}
	all.Wait()
	if err := cause(errs); err != nil {
		return 0, err
	}
	var sum float64
	for _, l := range losses {
		sum += l
	}
	return sum / float64(len(t.ranks)), nil
}

// cause returns the error of the rank that failed of itself, with its number,
// a lost device before all else, as only a fresh process goes on then.
func cause(errs []error) error {
	best, rank := -1, 0
	for i, err := range errs {
		k := 0
		switch {
		case err == nil:
			continue
		case errors.Is(err, backend.ErrLost):
			k = 2
		case !errors.Is(err, backend.ErrAborted):
			k = 1
		}
		if k > best {
			best, rank = k, i
		}
	}
	if best < 0 {
		return nil
	}
	return fmt.Errorf("device %d of %d: %w", rank, len(errs), errs[rank])
}

// checkRanks returns an error unless all ranks have the same bits: a checkpoint
// must not hide that they have parted.
func (t *trainer) checkRanks(ctx context.Context, name string, want *tensor.Tensor) error {
	for i, r := range t.ranks[1:] {
		got, err := r.state.Read(ctx, name)
		if err != nil {
			return fmt.Errorf("train: device %d: %w", i+1, err)
		}
		if string(got.Bytes()) != string(want.Bytes()) {
			return fmt.Errorf("train: %s of device %d is not that of device 0: %w", name, i+1, ErrParted)
		}
	}
	return nil
}

// feed copies samples to the inputs of the training program, and of the
// teacher, whose answer is an input too.
func (r *rank) feed(ctx context.Context, x, label *tensor.Tensor) error {
	p := r.unit.prog
	if err := setInput(ctx, p, x); err != nil {
		return err
	}
	if r.c.Loss != "reconstruction" {
		if err := p.SetInput(ctx, labelName, label); err != nil {
			return err
		}
	}
	if r.teacher == nil {
		return nil
	}
	if err := setInput(ctx, r.teacher, x); err != nil {
		return err
	}
	if err := r.teacher.Run(ctx); err != nil {
		return fmt.Errorf("teacher: %w", err)
	}
	y, err := r.teacher.OutputTensor(ctx, OutputName)
	if err != nil {
		return err
	}
	return p.SetInput(ctx, teachName, y)
}
