package train

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/program"
	"github.com/goqat/goqat/tensor"
)

// errStopped ends a step that is undone, as the context has ended.
var errStopped = errors.New("step stopped")

// gate decides for all ranks of a step, once, whether it is finished or leaves
// no trace: whoever sees first that the context has ended stops it, unless a
// rank has begun to change parameters.
type gate struct {
	ctx   context.Context
	state atomic.Int32
	// stop ends what ranks wait for.
	stop func()
}

// States of a gate.
const (
	gateOpen = iota
	gatePassed
	gateStopped
)

// Open returns errStopped when the step is stopped.
func (g *gate) Open() error {
	switch {
	case g.ctx.Err() == nil && g.state.Load() != gateStopped:
		return nil
	case g.state.CompareAndSwap(gateOpen, gateStopped):
		g.stop()
		return errStopped
	case g.state.Load() == gatePassed:
		return nil
	}
	return errStopped
}

// Pass returns errStopped when the step is stopped; behind it none is.
func (g *gate) Pass() error {
	if err := g.Open(); err != nil {
		return err
	}
	if g.state.CompareAndSwap(gateOpen, gatePassed) || g.state.Load() == gatePassed {
		return nil
	}
	return errStopped
}

func (g *gate) stopped() bool { return g.state.Load() == gateStopped }

// kept is a state that a step changes early, as it was before.
type kept struct {
	name string
	was  *tensor.Tensor // nil for a sum of gradients, which was zero.
}

// keepEarly makes room for what a stopped step must have back: ranges and
// statistics, which are small. Where steps run as one none is stopped.
func (r *rank) keepEarly(ctx context.Context) error {
	r.kept = r.kept[:0]
	if _, ok := r.state.Backend().(backend.Recorder); ok {
		return nil
	}
	for _, name := range r.unit.prog.Early() {
		k := kept{name: name}
		if !strings.HasPrefix(name, gradPrefix) {
			x, err := r.state.Read(ctx, name)
			if err != nil {
				return err
			}
			k.was = x
		}
		r.kept = append(r.kept, k)
	}
	return nil
}

// keep notes the states from before a step that can be stopped.
func (r *rank) keep(ctx context.Context) error {
	if r.gate.ctx.Done() == nil {
		return nil
	}
	for _, k := range r.kept {
		if k.was == nil {
			continue
		}
		if err := r.state.ReadInto(ctx, k.name, k.was); err != nil {
			return err
		}
	}
	return nil
}

// undo puts the states back to what they were before the step.
func (r *rank) undo(ctx context.Context) error {
	for _, k := range r.kept {
		was := k.was
		if was == nil {
			x, err := r.state.Read(ctx, k.name)
			if err != nil {
				return err
			}
			was = tensor.New(x.Spec())
		}
		if err := r.state.Write(ctx, k.name, was); err != nil {
			return err
		}
	}
	return nil
}

var _ program.Gate = (*gate)(nil)
