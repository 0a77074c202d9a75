package train

import (
	"context"
	"fmt"

	"github.com/goqat/goqat/data"
	"github.com/goqat/goqat/graph"
	"github.com/goqat/goqat/program"
	"github.com/goqat/goqat/tensor"
)

// Step is the compiled program of one training step: loss, gradients and
// optimizer. It is what [Fit] runs, for who wants to run single steps.
type Step struct {
	p          *program.Program
	c          Config
	rate, loss *tensor.Tensor
}

// CompileStep compiles the training step of g in a mode, for c.Batch samples.
// The parameters, statistics and optimizer moments are those of state, which
// steps update. The schedule has no part in it, and there is no teacher:
// c.Distill must be 0.
func CompileStep(ctx context.Context, g *graph.Graph, c Config, mode graph.Mode, state *program.State) (*Step, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	if c.Distill > 0 {
		return nil, fmt.Errorf("train: a single step has no teacher: %w", ErrConfig)
	}
	if c.Ranks > 1 {
		return nil, fmt.Errorf("train: a single step runs on one device: %w", ErrConfig)
	}
	c.Schedule.CycleMomentum = false // A single step has no place in a schedule.
	p, err := c.compile(ctx, g, mode, state, 0, 0)
	if err != nil {
		return nil, err
	}
	return &Step{p: p, c: c, rate: tensor.New(tensor.Of(tensor.F32, 1)), loss: tensor.New(tensor.Of(tensor.F32))}, nil
}

// Program returns the program, for its graph and its memory.
func (s *Step) Program() *program.Program { return s.p }

// Run does one step on a batch at a learning rate and returns the loss.
func (s *Step) Run(ctx context.Context, b *data.Batch, rate float64) (float64, error) {
	s.rate.F32()[0] = float32(rate)
	err := s.p.State().Write(ctx, stateRate, s.rate)
	if err == nil {
		err = setInput(ctx, s.p, b.X)
	}
	if err == nil && s.c.Loss != "reconstruction" {
		err = s.p.SetInput(ctx, labelName, b.Y)
	}
	if err == nil {
		err = s.p.Run(ctx)
	}
	if err == nil {
		err = s.p.ReadOutput(ctx, lossName, s.loss)
	}
	if err != nil {
		return 0, fmt.Errorf("train: step: %w", err)
	}
	return float64(s.loss.F32()[0]), nil
}

// compile compiles the training program of g in a mode for a rank: its loss,
// its gradients and the optimizer. memory bounds its bytes, 0 for no bound.
func (c *Config) compile(ctx context.Context, g *graph.Graph, mode graph.Mode, state *program.State, memory int64, rank int) (*program.Program, error) {
	p, err := program.Compile(ctx, g, program.Options{State: state, Mode: mode, Batch: c.Batch / c.ranks(),
		Extend: c.addLoss, Loss: lossName, Update: c.update, Memory: memory, Parallel: c.parallel(rank)})
	if err != nil {
		return nil, fmt.Errorf("train: %w", err)
	}
	return p, nil
}
