// Package cpu is the backend in Go. Every kernel has a portable form, which
// is the reference for all other backends.
//
// Adding a kernel: a file of the operation's stem with an init that calls
// register. The bind function checks nothing that shape inference has
// checked; it takes typed slices from its tensors, builds the closures that
// run once a step, and returns the function that runs them, so that running
// allocates nothing. Work is cut by shape, never by the number of threads.
package cpu

import (
	"context"
	"fmt"
	"slices"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/tensor"
)

func init() {
	backend.Register("cpu", func(arg string) (backend.Backend, error) {
		if arg != "" {
			return nil, fmt.Errorf("cpu: unknown device %q: the CPU backend has one device, say \"cpu\"", arg)
		}
		return New(), nil
	})
}

// Backend runs operations in Go on all cores.
type Backend struct {
	scratch scratchUser
	member  *member // Of a group, nil outside of one.
}

// New returns a CPU backend. Backends share the worker goroutines of the
// process.
func New() *Backend { return &Backend{scratch: scratchUser{scratchList: &scratchList{}}} }

// Name returns "cpu".
func (*Backend) Name() string { return "cpu" }

// Alloc returns a zeroed host tensor.
func (*Backend) Alloc(s tensor.Spec) (backend.Buffer, error) {
	if err := s.Shape.Check(); err != nil {
		return nil, fmt.Errorf("cpu: %w", err)
	}
	return tensor.New(s), nil
}

// View returns the bytes of b from offset on as type s.
func (*Backend) View(b backend.Buffer, offset int, s tensor.Spec) (backend.Buffer, error) {
	t, err := host(b)
	if err != nil {
		return nil, err
	}
	if offset < 0 || offset > len(t.Bytes()) {
		return nil, fmt.Errorf("cpu: offset %d of a buffer of %d bytes", offset, len(t.Bytes()))
	}
	v, err := tensor.Wrap(s, t.Bytes()[offset:])
	if err != nil {
		return nil, fmt.Errorf("cpu: %w", err)
	}
	return v, nil
}

// Write copies src to dst.
func (*Backend) Write(_ context.Context, dst backend.Buffer, src []byte) error {
	t, err := host(dst)
	if err != nil {
		return err
	}
	if len(src) != len(t.Bytes()) {
		return fmt.Errorf("cpu: write of %d bytes to %v, which has %d", len(src), t.Spec(), len(t.Bytes()))
	}
	copy(t.Bytes(), src)
	return nil
}

// Read copies src to dst.
func (*Backend) Read(_ context.Context, dst []byte, src backend.Buffer) error {
	t, err := host(src)
	if err != nil {
		return err
	}
	if len(dst) != len(t.Bytes()) {
		return fmt.Errorf("cpu: read of %v into %d bytes, want %d", t.Spec(), len(dst), len(t.Bytes()))
	}
	copy(dst, t.Bytes())
	return nil
}

// Sync returns at once: kernels have finished when Run returns.
func (*Backend) Sync(ctx context.Context) error { return ctx.Err() }

// Close does nothing; the worker goroutines serve the whole process.
func (*Backend) Close() error { return nil }

// kernel is one operation of this backend.
type kernel struct {
	// bind prepares op for its tensors; entries of out are nil for results
	// nobody uses, entries of in for absent inputs.
	bind func(b *Backend, op backend.Op, out, in []*tensor.Tensor) (func() error, error)
	// types lists the element types of the first input that bind accepts.
	types []tensor.DType
	// supports, when not nil, decides instead of types.
	supports func(op backend.Op, in []tensor.Spec) bool
}

var kernels = map[string]kernel{}

// register adds the kernel of an operation; call it from init.
func register(op backend.Op, k kernel) {
	name := op.OpName()
	if _, ok := kernels[name]; ok {
		panic("cpu: duplicate kernel for " + name)
	}
	kernels[name] = k
}

var floats = []tensor.DType{tensor.F32, tensor.F64}

// Has reports whether there is a kernel of this name.
func Has(name string) bool { _, ok := kernels[name]; return ok }

// Supports reports whether Bind accepts op.
func (*Backend) Supports(op backend.Op, in ...tensor.Spec) bool {
	k, ok := kernels[op.OpName()]
	if !ok {
		return false
	}
	if k.supports != nil {
		return k.supports(op, in)
	}
	return len(k.types) == 0 || len(in) > 0 && slices.Contains(k.types, in[0].DType)
}

// Bind prepares op for its buffers.
func (b *Backend) Bind(op backend.Op, out, in []backend.Buffer) (backend.Kernel, error) {
	specs := backend.Specs(in)
	fail := func(err error) (backend.Kernel, error) {
		return nil, &backend.Error{Backend: "cpu", Op: op.OpName(), In: specs, Err: err}
	}
	if !b.Supports(op, specs...) {
		return fail(backend.ErrUnsupported)
	}
	to, err := hosts(out)
	if err != nil {
		return fail(err)
	}
	ti, err := hosts(in)
	if err != nil {
		return fail(err)
	}
	own := &Backend{scratch: scratchUser{scratchList: b.scratch.scratchList}, member: b.member}
	run, err := kernels[op.OpName()].bind(own, op, to, ti)
	if err != nil {
		return fail(err)
	}
	return &bound{run, int64(own.scratch.most)}, nil
}

// Workspace returns the bytes of temporary memory that the backend keeps for
// the kernels of all programs, which take it in turn.
func (b *Backend) Workspace() int64 { return b.scratch.bytes() }

type bound struct {
	run       func() error
	workspace int64
}

// Workspace returns the bytes of temporary memory that a run takes.
func (k *bound) Workspace() int64 { return k.workspace }

// Run runs the kernel to its end.
func (k *bound) Run(context.Context) error { return k.run() }

func host(b backend.Buffer) (*tensor.Tensor, error) {
	t, ok := b.(*tensor.Tensor)
	if !ok {
		return nil, fmt.Errorf("cpu: buffer of type %T is not in host memory", b)
	}
	return t, nil
}

func hosts(bs []backend.Buffer) ([]*tensor.Tensor, error) {
	ts := make([]*tensor.Tensor, len(bs))
	for i, b := range bs {
		if b == nil {
			continue
		}
		t, err := host(b)
		if err != nil {
			return nil, err
		}
		ts[i] = t
	}
	return ts, nil
}
