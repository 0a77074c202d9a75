package train

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/graph"
	"github.com/goqat/goqat/program"
	"github.com/goqat/goqat/tensor"
)

// gradPrefix is that of the states in which gradients are summed over the
// micro-batches of a step. They are zero between steps.
const gradPrefix = "train.grad."

// unit is a compiled training step. When the step of a whole batch does not
// fit into memory, it is cut into micro-batches: one program adds the
// gradients of a part to states, each divided by the number of parts, and
// after the last part another runs the optimizer on them and clears them. The
// result is that of the whole batch but for the order of float additions,
// except for what looks at a batch as a whole: batch norm's statistics and
// observers see each part as a batch of its own.
type unit struct {
	prog   *program.Program // The whole step, or the gradients of one part.
	update *program.Program // The optimizer, when there are parts.
	parts  int
}

// compileUnit compiles the step of a rank's share of c.Batch samples, as
// micro-batches when micro is less.
func (c *Config) compileUnit(ctx context.Context, g *graph.Graph, mode graph.Mode, state *program.State, memory int64, micro, rank int) (*unit, error) {
	share := c.Batch / c.ranks()
	if micro >= share {
		p, err := c.compile(ctx, g, mode, state, memory, rank)
		if err != nil {
			return nil, err
		}
		return &unit{prog: p, parts: 1}, nil
	}
	parts := share / micro
	opt := graph.New()
	var params, sums []graph.Value // of opt
	p, err := program.Compile(ctx, g, program.Options{State: state, Mode: mode, Batch: micro, Extend: c.addLoss, Loss: lossName, Memory: memory, Parallel: c.parallel(rank),
		Update: func(g *graph.Graph, ps, grads []graph.Value) error {
			rate := g.Const("train.part", tensor.FromF32([]float32{-1 / float32(parts)}, 1))
			for i, d := range grads {
				if d.Absent() {
					continue
				}
				zeros := tensor.New(ps[i].Spec())
				// sum -= -1/parts * gradient
				g.Apply(backend.SGD{}, g.State(gradPrefix+ps[i].Name(), zeros), d, graph.Value{}, rate)
				params = append(params, opt.Param(ps[i].Name(), ps[i].Init()))
				sums = append(sums, opt.State(gradPrefix+ps[i].Name(), zeros))
			}
			return g.Err()
		}})
	if err != nil {
		return nil, fmt.Errorf("train: micro-batch of %d: %w", micro, err)
	}
	u := &unit{prog: p, parts: parts}
	if err := c.update(opt, params, sums); err != nil {
		u.close()
		return nil, err
	}
	one := opt.Const("train.one", tensor.FromF32([]float32{1}, 1))
	for _, s := range sums {
		opt.Apply(backend.SGD{}, s, s, graph.Value{}, one) // sum -= 1 * sum
	}
	if u.update, err = program.Compile(ctx, opt, program.Options{State: state, Lowered: true, Memory: memory}); err != nil {
		u.close()
		return nil, fmt.Errorf("train: optimizer: %w", err)
	}
	return u, nil
}

// close gives back the memory of the programs.
func (u *unit) close() {
	if u == nil {
		return
	}
	u.prog.Close()
	if u.update != nil {
		u.update.Close()
	}
}

// tooLarge reports whether err says that a program does not fit into memory.
func tooLarge(err error) bool { return errors.Is(err, backend.ErrOutOfMemory) }

// nextMicro returns the largest divisor of batch that is at most half of
// micro, 0 when there is none.
func nextMicro(batch, micro int) int {
	for m := micro / 2; m > 0; m-- {
		if batch%m == 0 {
			return m
		}
	}
	return 0
}

// compileFitting compiles the step of a phase on all ranks, in micro-batches
// that are halved until they fit on each.
func (t *trainer) compileFitting(ctx context.Context, mode graph.Mode) error {
	for {
		err := t.compileRanks(ctx, mode)
		if err == nil || !tooLarge(err) {
			return err
		}
		next := nextMicro(t.c.Batch/t.c.ranks(), t.micro)
		if next == 0 {
			return fmt.Errorf("train: not even %d samples fit at a time: %w", t.micro, err)
		}
		t.warnings = append(t.warnings, fmt.Sprintf("%d samples at a time do not fit into memory (%s): training with %d, gradients added up to the batch of %d",
			t.micro, strings.ReplaceAll(err.Error(), "\n", " "), next, t.c.Batch))
		t.micro = next
		for _, r := range t.ranks {
			r.teacher.Close()
			r.teacher = nil
		}
	}
}

func (t *trainer) compileRanks(ctx context.Context, mode graph.Mode) error {
	for i, r := range t.ranks {
		u, err := t.c.compileUnit(ctx, t.g, mode, r.state, t.o.Memory, t.micro, i)
		if err == nil && t.o.Teacher != nil && r.teacher == nil {
			if err = r.compileTeacher(ctx, t.o.Teacher, t.micro); err != nil {
				u.close()
				err = fmt.Errorf("train: teacher: %w", err)
			}
		}
		if err == nil {
			r.unit = u
			err = r.keepEarly(ctx)
		}
		if err != nil {
			t.closeUnits()
			return err
		}
	}
	return nil
}

// compileTeacher compiles the model that the rank's learns from.
func (r *rank) compileTeacher(ctx context.Context, g *graph.Graph, batch int) error {
	p, err := program.Compile(ctx, g, program.Options{Backend: r.state.Backend(), Mode: graph.EvalFloat, Batch: batch})
	if err != nil {
		return err
	}
	out, err := p.Output(OutputName)
	if err != nil {
		p.Close()
		return err
	}
	r.teacher, r.answer = p, tensor.New(out.Spec())
	return nil
}
