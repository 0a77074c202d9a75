package target

import (
	"context"
	"fmt"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/graph"
	"github.com/goqat/goqat/program"
	"github.com/goqat/goqat/tensor"
)

// OpenGraph returns a session that runs a lowered graph, such as that of a
// qat.Model, for a batch size.
func OpenGraph(ctx context.Context, g *graph.Graph, b backend.Backend, batch int) (Session, error) {
	p, err := program.Compile(ctx, g, program.Options{Backend: b, Mode: graph.Eval, Batch: batch})
	if err != nil {
		return nil, fmt.Errorf("target: %w", err)
	}
	s := &graphSession{p: p}
	for _, v := range p.Graph().Inputs() {
		s.in = append(s.in, Port{v.Name(), v.Spec()})
	}
	for _, o := range p.Graph().Outputs() {
		s.out = append(s.out, Port{o.Name, o.Value.Spec()})
	}
	return s, nil
}

type graphSession struct {
	p       *program.Program
	in, out []Port
}

// Inputs describes the inputs.
func (s *graphSession) Inputs() []Port { return s.in }

// Outputs describes the outputs.
func (s *graphSession) Outputs() []Port { return s.out }

// Run computes the outputs.
func (s *graphSession) Run(ctx context.Context, in, out []*tensor.Tensor) error {
	if len(in) != len(s.in) || len(out) != len(s.out) {
		return fmt.Errorf("target: %d inputs and %d outputs, want %d and %d", len(in), len(out), len(s.in), len(s.out))
	}
	for i, p := range s.in {
		if err := s.p.SetInput(ctx, p.Name, in[i]); err != nil {
			return err
		}
	}
	if err := s.p.Run(ctx); err != nil {
		return err
	}
	for i, p := range s.out {
		if err := s.p.ReadOutput(ctx, p.Name, out[i]); err != nil {
			return err
		}
	}
	return nil
}

// Memory returns the bytes that the session holds, by kind.
func (s *graphSession) Memory() program.Memory { return s.p.Memory() }

// Close gives back the memory of the program.
func (s *graphSession) Close() error {
	s.p.Close()
	return nil
}
