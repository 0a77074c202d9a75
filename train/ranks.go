package train

import (
	"context"
	"errors"
	"fmt"

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
	answer  *tensor.Tensor // The teacher's.
	loss    *tensor.Tensor
	parts   map[partKey]part
	gate    *gate // Of all ranks.
	kept    []kept

	// tasks are the steps of a rank that is not the first: a goroutine of its
	// own does them, as long as the training. value and err are the result.
	tasks chan task
	value float64
	err   error
}

// task is a rank's part of a step.
type task struct {
	ctx context.Context
	b   *data.Batch
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
	for i, r := range t.ranks[1:] {
		r.tasks = make(chan task)
		t.hands.Go(func() {
			for k := range r.tasks {
				t.stepOf(i+1, k)
				t.running.Done()
			}
		})
	}
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

// part ends the goroutines of the ranks and dissolves the group.
func (t *trainer) part() {
	for _, r := range t.ranks {
		if r.tasks != nil {
			close(r.tasks)
		}
	}
	t.hands.Wait()
	if t.group != nil {
		_ = t.group.Close()
	}
}

func (t *trainer) closeUnits() {
	for _, r := range t.ranks {
		r.unit.close()
		r.unit, r.parts = nil, nil
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
// the loss, the mean over all samples, or errStopped when the context of the
// gate has ended the step, which has left no trace then. When a rank fails, so do the others,
// which would wait for it for ever; the error is that of the first.
func (t *trainer) runRanks(ctx context.Context, b *data.Batch) (float64, error) {
	k := task{ctx, b}
	t.gate.state.Store(gateOpen)
	t.running.Add(len(t.ranks) - 1)
	for _, r := range t.ranks[1:] {
		r.tasks <- k
	}
	t.stepOf(0, k)
	t.running.Wait()
	if err := t.cause(); err != nil {
		return 0, err
	}
	if t.gate.stopped() {
		return 0, t.undo(ctx)
	}
	var sum float64
	for _, r := range t.ranks {
		sum += r.value
	}
	return sum / float64(len(t.ranks)), nil
}

// stepOf does a step on rank i.
func (t *trainer) stepOf(i int, k task) {
	r, share := t.ranks[i], t.c.Batch/len(t.ranks)
	if r.err = r.keep(k.ctx); r.err == nil {
		r.value, r.err = r.step(k.ctx, k.b, i*share, (i+1)*share)
	}
	if r.err != nil && t.group != nil && !errors.Is(r.err, errStopped) {
		t.group.Abort(fmt.Errorf("device %d of %d failed", i, len(t.ranks)))
	}
}

// undo takes back what the ranks have done of a step that was stopped, and
// returns errStopped.
func (t *trainer) undo(ctx context.Context) error {
	for _, r := range t.ranks {
		if err := r.undo(ctx); err != nil {
			return err
		}
	}
	return errStopped
}

// cause returns the error of the rank that failed of itself, with its number,
// a lost device before all else, as only a fresh process goes on then.
func (t *trainer) cause() error {
	best, rank := -1, 0
	for i, r := range t.ranks {
		k := 0
		switch {
		case r.err == nil, errors.Is(r.err, errStopped):
			continue
		case t.gate.stopped() && errors.Is(r.err, backend.ErrAborted): // It waited for others.
			continue
		case errors.Is(r.err, backend.ErrLost):
			k = 2
		case !errors.Is(r.err, backend.ErrAborted):
			k = 1
		}
		if k > best {
			best, rank = k, i
		}
	}
	if best < 0 {
		return nil
	}
	if len(t.ranks) == 1 {
		return t.ranks[0].err
	}
	return fmt.Errorf("device %d of %d: %w", rank, len(t.ranks), t.ranks[rank].err)
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

// stopped ends the waits of ranks for each other: one has stopped the step.
func (t *trainer) stopped() {
	if t.group != nil {
		t.group.Abort(errStopped)
	}
}
