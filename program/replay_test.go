package program_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/goqat/goqat/backend"
	gocpu "github.com/goqat/goqat/backend/cpu"
	"github.com/goqat/goqat/graph"
	"github.com/goqat/goqat/program"
	"github.com/goqat/goqat/tensor"
)

// recorder is the CPU with the ways of a GPU: it records, its faults show in
// Sync, its memory is given back, and it lacks operations.
type recorder struct {
	*gocpu.Backend
	lacks     map[string]bool
	cannot    error // What Record returns.
	records   int
	replays   int
	late      error // What Sync returns, as the fault of the kernel that ran last.
	last      backend.Kernel
	allocated int
	released  int
	kernels   int
}

type watched struct {
	r *recorder
	backend.Kernel
}

func (w *watched) Run(ctx context.Context) error { w.r.last = w; return w.Kernel.Run(ctx) }

type replay struct {
	r    *recorder
	step []backend.Kernel
}

func (p *replay) Run(ctx context.Context) error {
	p.r.replays++
	for _, k := range p.step {
		if err := k.Run(ctx); err != nil {
			return err
		}
	}
	return nil
}

func (r *recorder) Supports(op backend.Op, in ...tensor.Spec) bool {
	return !r.lacks[op.OpName()] && r.Backend.Supports(op, in...)
}

func (r *recorder) Alloc(s tensor.Spec) (backend.Buffer, error) {
	r.allocated++
	return r.Backend.Alloc(s)
}

func (r *recorder) Bind(op backend.Op, out, in []backend.Buffer) (backend.Kernel, error) {
	k, err := r.Backend.Bind(op, out, in)
	return &watched{r, k}, err
}

func (r *recorder) Record(step []backend.Kernel) (backend.Kernel, error) {
	r.records++
	return &replay{r, step}, r.cannot
}

func (r *recorder) Release(b []backend.Buffer, k []backend.Kernel) {
	r.released += len(b)
	r.kernels += len(k)
}

func (r *recorder) Sync(context.Context) error {
	err := r.late
	r.late = nil
	if err == nil {
		return nil
	}
	return &backend.KernelError{Kernel: r.last, Err: err}
}

// reluTanh is y = tanh(relu(x)).
func reluTanh(t *testing.T, b backend.Backend) (*program.Program, error) {
	g := graph.New()
	x := g.Input("x", tensor.Of(tensor.F32, 8))
	g.Output("y", g.Apply(backend.Tanh{}, g.Apply(backend.Relu{}, x)))
	require.NoError(t, g.Err())
	return program.Compile(context.Background(), g, program.Options{Backend: b, Lowered: true})
}

func TestStepsAreRecorded(t *testing.T) {
	ctx := context.Background()
	r := &recorder{Backend: gocpu.New()}
	p, err := reluTanh(t, r)
	require.NoError(t, err)
	require.NoError(t, p.Run(ctx))
	require.Zero(t, r.records, "the first step runs by operations")
	for i := 1; i <= 3; i++ {
		require.NoError(t, p.Run(ctx))
		require.Equal(t, 1, r.records)
		require.Equal(t, i, r.replays)
	}
	done, cancel := context.WithCancel(ctx)
	cancel()
	require.ErrorIs(t, p.Run(done), context.Canceled)
	require.Equal(t, 3, r.replays)

	// A fault that shows in Sync has the name of the node.
	r.late = errors.New("boom")
	err = p.Run(ctx)
	var n *program.NodeError
	require.ErrorAs(t, err, &n)
	require.Equal(t, "tanh", n.Op)
	require.ErrorContains(t, err, "boom")

	// The arena, the input, and two kernels with their recording.
	p.Close()
	require.Equal(t, r.allocated, r.released)
	require.Equal(t, 3, r.kernels)
	p.Close()
	require.Equal(t, 3, r.kernels)
}

func TestStepsThatCannotBeRecordedRun(t *testing.T) {
	ctx := context.Background()
	for _, cannot := range []error{backend.ErrUnsupported, fmt.Errorf("graph: %w", backend.ErrOutOfMemory)} {
		r := &recorder{Backend: gocpu.New(), cannot: cannot}
		p, err := reluTanh(t, r)
		require.NoError(t, err)
		for range 4 {
			require.NoError(t, p.Run(ctx))
		}
		require.Equal(t, 1, r.records)
		require.Zero(t, r.replays)
	}
	r := &recorder{Backend: gocpu.New(), cannot: backend.ErrLost}
	p, err := reluTanh(t, r)
	require.NoError(t, err)
	require.NoError(t, p.Run(ctx))
	require.ErrorIs(t, p.Run(ctx), backend.ErrLost)
}

// TestAllUnsupportedOperationsAreNamed: one error has the whole list, and
// nothing was allocated.
func TestAllUnsupportedOperationsAreNamed(t *testing.T) {
	r := &recorder{Backend: gocpu.New(), lacks: map[string]bool{"relu": true, "tanh": true}}
	_, err := reluTanh(t, r)
	require.ErrorIs(t, err, backend.ErrUnsupported)
	var u *program.UnsupportedError
	require.ErrorAs(t, err, &u)
	require.Len(t, u.Ops, 2)
	require.ErrorContains(t, err, "no kernel for 2 operations")
	require.ErrorContains(t, err, "relu(float32[8])")
	require.ErrorContains(t, err, "tanh(float32[8])")
	require.Zero(t, r.allocated)
}
