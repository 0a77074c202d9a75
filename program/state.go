package program

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/graph"
	"github.com/goqat/goqat/tensor"
)

// State holds the persistent tensors of a model on a backend, by name:
// parameters, running statistics, observers, scales, optimizer moments.
// Programs compiled with the same State share them: the training program,
// the evaluation program, and those of later phases.
type State struct {
	b  backend.Backend
	mu sync.Mutex
	m  map[string]*stored
	// order keeps the names in the order of creation, which checkpoints and
	// reports use.
	order []string
}

// stored is a tensor of a State.
type stored struct {
	backend.Buffer
	// version counts the changes, from 1: what is made of the contents is made
	// of a version.
	version atomic.Uint64
}

// NewState returns an empty State on b.
func NewState(b backend.Backend) *State {
	return &State{b: b, m: map[string]*stored{}}
}

// Backend returns where the tensors live.
func (s *State) Backend() backend.Backend { return s.b }

// Names returns the names of all tensors in the order of creation.
func (s *State) Names() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.order)
}

// Has reports whether there is a tensor of this name.
func (s *State) Has(name string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.m[name] != nil
}

// Read copies a tensor to the host.
func (s *State) Read(ctx context.Context, name string) (*tensor.Tensor, error) {
	b := s.find(name)
	if b == nil {
		return nil, fmt.Errorf("program: no state tensor %q", name)
	}
	t := tensor.New(b.Spec())
	return t, s.ReadInto(ctx, name, t)
}

// ReadInto copies a tensor to t, which must have its type.
func (s *State) ReadInto(ctx context.Context, name string, t *tensor.Tensor) error {
	b := s.find(name)
	if b == nil {
		return fmt.Errorf("program: no state tensor %q", name)
	}
	if !b.Spec().Equal(t.Spec()) {
		return fmt.Errorf("program: state tensor %s is %v, not %v", name, b.Spec(), t.Spec())
	}
	if err := s.b.Read(ctx, t.Bytes(), b.Buffer); err != nil {
		return fmt.Errorf("program: read %s: %w", name, err)
	}
	return nil
}

// Write replaces the contents of a tensor, or creates it. An existing one
// must have the same type.
func (s *State) Write(ctx context.Context, name string, t *tensor.Tensor) error {
	b, err := s.buffer(ctx, name, t.Spec(), nil)
	if err != nil {
		return err
	}
	b.version.Add(1)
	if err := s.b.Write(ctx, b.Buffer, t.Bytes()); err != nil {
		return fmt.Errorf("program: write %s: %w", name, err)
	}
	return nil
}

// buffer returns the tensor of this name, creating it with the contents init.
func (s *State) buffer(ctx context.Context, name string, spec tensor.Spec, init *tensor.Tensor) (*stored, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if b := s.m[name]; b != nil {
		if !b.Spec().Equal(spec) {
			return nil, fmt.Errorf("program: state tensor %s is %v, the graph wants %v", name, b.Spec(), spec)
		}
		return b, nil
	}
	b, err := s.b.Alloc(spec)
	if err != nil {
		return nil, fmt.Errorf("program: %s: %w", name, err)
	}
	if init != nil {
		if err := s.b.Write(ctx, b, init.Bytes()); err != nil {
			return nil, fmt.Errorf("program: %s: %w", name, err)
		}
	}
	t := &stored{Buffer: b}
	t.version.Store(1)
	s.m[name] = t
	s.order = append(s.order, name)
	return t, nil
}

// find returns the tensor of this name, nil if there is none.
func (s *State) find(name string) *stored {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.m[name]
}

// Snapshot copies all tensors to the host.
func (s *State) Snapshot(ctx context.Context) (map[string]*tensor.Tensor, error) {
	out := map[string]*tensor.Tensor{}
	for _, n := range s.Names() {
		t, err := s.Read(ctx, n)
		if err != nil {
			return nil, err
		}
		out[n] = t
	}
	return out, nil
}

// StoreTo makes the tensors of s the initial contents of the params and
// states of g, so that g can be written to a file or converted.
func (s *State) StoreTo(ctx context.Context, g *graph.Graph) error {
	for _, k := range []graph.Kind{graph.Param, graph.State} {
		for _, v := range g.Values(k) {
			if !s.Has(v.Name()) {
				continue
			}
			t, err := s.Read(ctx, v.Name())
			if err != nil {
				return err
			}
			if err := v.SetInit(t); err != nil {
				return fmt.Errorf("program: %w", err)
			}
		}
	}
	return nil
}
