//go:build cuda

// Package gpu is the backend for CUDA devices, over package cuda and the
// kernels of csrc.
//
// Adding a kernel: a file of the operation's stem with an init that calls
// register. The bind function works out, once, the launches of an operation
// on its buffers: it calls build.launch with the kernel's name and arguments
// for each, in order. Running appends them to the queue of the backend and
// returns; Sync waits. So nothing in a bind function may depend on the
// contents of buffers, and faults of values are counted on the device
// (build.nanFlag). Grids are cut by shape alone.
//
//	func init() {
//		register(backend.Neg{}, kernel{module: "neg", types: f32, bind: func(k *build, _ backend.Op, out, in []*Buffer) error {
//			n := in[0].numel()
//			return k.launch("neg", k.elementwise(n), out[0], in[0], int64(n))
//		}})
//	}
package gpu

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"sync"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/cuda"
)

func init() {
	backend.Register("gpu", func(arg string) (backend.Backend, error) {
		i := 0
		if arg != "" {
			n, err := strconv.Atoi(arg)
			if err != nil || n < 0 {
				return nil, fmt.Errorf("gpu: unknown device %q: say gpu, or gpu:N for device N", arg)
			}
			i = n
		}
		return Open(i)
	})
}

// minArch is the oldest compute capability that the kernels are built for:
// the first with int8 tensor cores.
const minArch = 75

// Backend runs operations on one CUDA device.
type Backend struct {
	name   string
	c      *cuda.Context
	q      *cuda.Queue
	each   bool // Wait after each command.
	graphs bool // Record steps.
	heap   heap
	flags  flags
	code   modules
	vendor vendor
	member *member // Of a group, nil outside of one.

	mu      sync.Mutex
	owned   map[*resources]struct{}
	scratch *memory
}

// Available returns nil when there is a device, without making use of it, or
// the error of [Open] on what is missing.
func Available() error {
	ds, err := cuda.Devices()
	if err != nil {
		return fail(err)
	}
	return usable(ds[0])
}

func usable(d cuda.Device) error {
	if d.Arch() >= minArch {
		return nil
	}
	return fail(fmt.Errorf("%w: %v: the kernels need compute capability %d.%d or later", cuda.ErrDeviceTooOld, d, minArch/10, minArch%10))
}

// Open returns the backend of device i. What is missing for it is in the
// error: [backend.ErrNoDevice] without driver or device.
func Open(i int) (*Backend, error) {
	c, err := cuda.Open(i)
	if err != nil {
		return nil, fail(err)
	}
	b := &Backend{name: "gpu", c: c, owned: map[*resources]struct{}{}}
	if i > 0 {
		b.name = fmt.Sprintf("gpu:%d", i)
	}
	if err := usable(c.Device()); err != nil {
		_ = c.Close()
		return nil, err
	}
	b.each, b.graphs = os.Getenv("GOQAT_GPU_SYNC") == "1", os.Getenv("GOQAT_GPU_GRAPH") != "0"
	if b.q, err = c.NewQueue(b.each); err != nil {
		_ = c.Close()
		return nil, fail(err)
	}
	b.heap.init(b)
	b.code.init(c)
	b.vendor.init(c)
	// One kernel now, so that a driver that cannot load them is found here.
	if err := b.code.probe(); err != nil {
		_ = b.Close()
		return nil, fail(err)
	}
	return b, nil
}

// Name returns "gpu" or "gpu:N".
func (b *Backend) Name() string { return b.name }

// Describe returns what the device and the driver are.
func (b *Backend) Describe() []string {
	lines := []string{b.c.Device().String()}
	if ds, err := cuda.Devices(); err == nil && len(ds) > 1 {
		lines[0] = b.name + ": " + lines[0]
		for _, d := range ds {
			if d.Index != b.c.Device().Index {
				lines = append(lines, fmt.Sprintf("gpu:%d: %v", d.Index, d))
			}
		}
	}
	if v, err := cuda.DriverVersion(); err == nil {
		lines = append(lines, "driver of CUDA "+cuda.VersionString(v))
	}
	lines = append(lines, b.code.describe())
	for _, f := range describers {
		lines = append(lines, f(b)...)
	}
	return lines
}

// describers add lines to [Backend.Describe], such as those of the vendor's
// libraries; files of the package append in init.
var describers []func(b *Backend) []string

// Sync waits for all work and returns the first fault since the last Sync.
func (b *Backend) Sync(ctx context.Context) error {
	seen, err := b.flags.fetch(b)
	if err != nil {
		return b.member.fault(b.fault(err))
	}
	if err := b.q.Wait(ctx); err != nil {
		return b.member.fault(b.fault(err))
	}
	return b.member.fault(b.flags.check(b, seen))
}

// Close waits for the work and releases everything.
func (b *Backend) Close() error {
	err := b.q.Close()
	b.mu.Lock()
	owned := make([]*resources, 0, len(b.owned))
	for r := range b.owned {
		owned = append(owned, r)
	}
	b.scratch = nil
	b.mu.Unlock()
	for _, r := range owned {
		r.release()
	}
	b.vendor.close()
	b.flags.close()
	b.code.close()
	b.heap.close()
	if e := b.c.Close(); err == nil {
		err = e
	}
	if err != nil {
		return b.fault(err)
	}
	return nil
}

// fault maps an error of the runtime to those of package backend, with the
// kernel it belongs to.
func (b *Backend) fault(err error) error {
	var ce *cuda.CommandError
	switch exact := errors.As(err, &ce) && ce.Exact; {
	case !exact && errors.Is(err, cuda.ErrLost) && !b.each:
		return fmt.Errorf("%w (the fault of any operation before; GOQAT_GPU_SYNC=1 finds which)", b.member.called(fail(err)))
	case !exact:
		return b.member.called(fail(err))
	}
	k, ok := ce.Tag.(*bound)
	switch {
	case !ok:
		return fmt.Errorf("%v: %w", ce.Tag, b.member.called(fail(ce.Err)))
	case k.op == nil:
		return &backend.KernelError{Kernel: k, Err: b.member.called(fail(ce.Err))}
	}
	return &backend.KernelError{Kernel: k, Err: &backend.Error{Backend: b.name, Op: k.op.OpName(), In: k.in, Err: b.member.called(fail(ce.Err))}}
}

// fail adds the sentinel of package backend that err stands for.
func fail(err error) error {
	for _, m := range []struct{ is, as error }{
		{cuda.ErrLost, backend.ErrLost}, {cuda.ErrOutOfMemory, backend.ErrOutOfMemory}, {cuda.ErrNoDriver, backend.ErrNoDevice},
		{cuda.ErrNoDevice, backend.ErrNoDevice}, {cuda.ErrDriverTooOld, backend.ErrNoDevice}, {cuda.ErrDeviceTooOld, backend.ErrNoDevice},
	} {
		if errors.Is(err, m.is) && !errors.Is(err, m.as) {
			return &mapped{err, m.as}
		}
	}
	return err
}

// mapped is an error of package cuda that is also one of package backend.
type mapped struct{ err, as error }

func (m *mapped) Error() string   { return "gpu: " + m.err.Error() }
func (m *mapped) Unwrap() []error { return []error{m.err, m.as} }
