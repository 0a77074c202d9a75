package train

import (
	"context"
	"errors"
	"fmt"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/train/checkpoint"
)

// maxLosses is how often a device may be lost without a new checkpoint.
const maxLosses = 3

// Supervisor runs a training in worker processes. Some faults of a GPU, such
// as an illegal address, end its use for a whole process; a fresh process can
// go on from the newest checkpoint, with the bits of a run that was never
// interrupted.
type Supervisor struct {
	// Dir is the folder of the training, [Options.Dir] of the workers.
	Dir string
	// Worker runs the training in a fresh process to its end; with resume
	// that process uses [Options.Resume]. An error that is
	// [backend.ErrLost] asks for another worker.
	Worker func(ctx context.Context, resume bool) error
	// Note, when not nil, is told of every worker after the first.
	Note func(string)
}

// Run starts workers until one does not lose the device. It gives up when the
// device is lost several times in a row without a new checkpoint.
func (s *Supervisor) Run(ctx context.Context) error {
	losses, at := 0, newestStep(s.Dir)
	for resume := false; ; resume = true {
		err := s.Worker(ctx, resume)
		if !errors.Is(err, backend.ErrLost) {
			return err
		}
		if n := newestStep(s.Dir); n > at {
			losses, at = 0, n
		}
		if losses++; losses > maxLosses {
			return fmt.Errorf("train: the device was lost %d times without a new checkpoint; the work up to step %d is in %s: resume goes on from there, a smaller save_every makes the steps between checkpoints fewer: %w",
				losses, at, s.Dir, err)
		}
		if ctx.Err() != nil {
			return fmt.Errorf("train: stopped after the device was lost; the work up to step %d is in %s: %w: %w", at, s.Dir, ErrInterrupted, context.Cause(ctx))
		}
		if s.Note != nil {
			where := "before the first checkpoint: a fresh process starts again"
			if at > 0 {
				where = fmt.Sprintf("and a fresh process goes on from the checkpoint of step %d", at)
			}
			s.Note("the device was lost " + where)
		}
	}
}

// newestStep returns the step of the newest checkpoint, 0 when there is none.
func newestStep(dir string) int64 {
	gs, err := checkpoint.List(CheckpointDir(dir))
	if err != nil {
		return 0
	}
	var step int64
	for _, g := range gs {
		step = max(step, g.Step)
	}
	return step
}
