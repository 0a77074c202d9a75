// Package backend is the contract between programs and the devices that run
// them. An operation is a small comparable attribute struct, one file an op
// in this package; a backend binds it to buffers once and then runs it any
// number of times without allocating.
//
//	b, err := backend.Open("cpu")
//	x, err := b.Alloc(tensor.Of(tensor.F32, 64))
//	y, err := b.Alloc(tensor.Of(tensor.F32, 64))
//	k, err := b.Bind(backend.Relu{}, []backend.Buffer{y}, []backend.Buffer{x})
//	err = k.Run(ctx)
package backend

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/goqat/goqat/tensor"
)

// Op is an operation with its attributes. Implementations are comparable
// structs without pointers, declared one a file in this package.
type Op interface {
	// OpName is the operation's name in the registry, such as "conv".
	OpName() string
}

// Updater is implemented by operations that change an input in place: output
// out is the same storage as input Updates(out). It returns -1 for outputs
// with storage of their own. Optimizers, running statistics and observers
// work this way.
type Updater interface {
	Updates(out int) int
}

// Overwriter is implemented by operations whose output out may have the
// storage of input Overwrites(out), -1 for none: the kernel has read an
// element of the input for the last time when it writes that of the output.
// A program gives them one storage when nothing else wants the input later.
type Overwriter interface {
	Overwrites(out int) int
}

// firstOverFirst is the rule of most operations on elements.
func firstOverFirst(out int) int {
	if out == 0 {
		return 0
	}
	return -1
}

// Viewer is implemented by operations whose first output has the bytes of
// their first input under another shape; backends never run them.
type Viewer interface {
	View()
}

// Ranger is implemented by operations that observe values or choose scales.
// They run only while ranges are being learned; otherwise the states that
// they update keep their values.
type Ranger interface {
	Updater
	// CalibrationOnly reports whether the operation is skipped in training
	// steps, as it is for learned scales.
	CalibrationOnly() bool
}

// Clamper is implemented by activations that only clamp, so that a quantized
// layer can fold them into its code range.
type Clamper interface {
	// Bounds returns the smallest and the largest real output.
	Bounds() (lo, hi float32)
}

// Buffer is memory of a backend.
type Buffer interface {
	Spec() tensor.Spec
}

// Kernel is an operation bound to its buffers. Run allocates nothing.
// Kernels of one backend may run at the same time when their buffers differ;
// one kernel must not run twice at once.
type Kernel interface {
	Run(ctx context.Context) error
}

// Backend runs operations. All methods are safe for concurrent use.
type Backend interface {
	// Name is what [Open] was asked for, such as "cpu".
	Name() string
	// Alloc returns zeroed memory, 64-byte aligned.
	Alloc(tensor.Spec) (Buffer, error)
	// View returns the part of b that starts offset bytes in, as type s.
	View(b Buffer, offset int, s tensor.Spec) (Buffer, error)
	// Write copies from the host; Read copies to the host and waits for it.
	Write(ctx context.Context, dst Buffer, src []byte) error
	Read(ctx context.Context, dst []byte, src Buffer) error
	// Supports reports whether Bind accepts op for inputs of these types.
	Supports(op Op, in ...tensor.Spec) bool
	// Bind prepares op. An absent optional input is nil.
	Bind(op Op, out, in []Buffer) (Kernel, error)
	// Sync waits for all work and returns the first fault of the queue.
	Sync(ctx context.Context) error
	Close() error
}

// Workspacer is implemented by kernels that tell how many bytes of temporary
// memory, shared with all others, a run takes.
type Workspacer interface {
	Workspace() int64
}

// Recorder is implemented by backends that can record a whole step and replay
// it with one call, as CUDA graphs do.
type Recorder interface {
	// Record returns a kernel that runs all of step, in order, on the same
	// buffers. The kernels must not be released before it. A backend that
	// cannot record them returns [ErrUnsupported].
	Record(step []Kernel) (Kernel, error)
}

// Releaser is implemented by backends whose memory is not Go's. What is not
// released is found by the garbage collector, but later.
type Releaser interface {
	// Release gives back the memory behind buffers made by Alloc, the views
	// of which must not be used any more, and kernels. Work that was started
	// goes on with them to its end.
	Release(b []Buffer, k []Kernel)
}

// Describer is implemented by backends that have something to say about their
// device, one fact a line.
type Describer interface {
	Describe() []string
}

// KernelError says which kernel had a fault that showed after its Run had
// returned.
type KernelError struct {
	Kernel Kernel
	Err    error
}

// Error returns that of the cause.
func (e *KernelError) Error() string { return e.Err.Error() }

// Unwrap returns the cause.
func (e *KernelError) Unwrap() error { return e.Err }

// Sentinel errors, to be tested with errors.Is.
var (
	// ErrUnsupported: the backend has no kernel for these operands.
	ErrUnsupported = errors.New("unsupported operation")
	// ErrNotBuilt: the backend was left out of this binary.
	ErrNotBuilt = errors.New("backend not built into this binary")
	// ErrNoDevice: no such device or driver on this machine.
	ErrNoDevice = errors.New("no such device")
	// ErrOutOfMemory: the device has too little memory.
	ErrOutOfMemory = errors.New("out of memory")
	// ErrLost: a fault after which this process cannot use the device any
	// more; a fresh process can.
	ErrLost = errors.New("device lost to this process")
	// ErrNaN: a value that must be quantized is not a number.
	ErrNaN = errors.New("value is not a number")
)

// Error says which operation of which backend failed on which operands.
type Error struct {
	Backend string
	Op      string
	In      []tensor.Spec
	Err     error
}

// Error returns one line.
func (e *Error) Error() string {
	in := make([]string, len(e.In))
	for i, s := range e.In {
		in[i] = s.String()
	}
	return fmt.Sprintf("backend: %s: %s(%s): %v", e.Backend, e.Op, strings.Join(in, ", "), e.Err)
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Specs returns the types of buffers, the zero Spec for an absent one.
func Specs(b []Buffer) []tensor.Spec {
	s := make([]tensor.Spec, len(b))
	for i := range b {
		if b[i] != nil {
			s[i] = b[i].Spec()
		}
	}
	return s
}

// Run binds op and runs it once: for programs that use single operations.
func Run(ctx context.Context, b Backend, op Op, out, in []Buffer) error {
	k, err := b.Bind(op, out, in)
	if err != nil {
		return err
	}
	return k.Run(ctx)
}

var (
	registryMu sync.Mutex
	registry   = map[string]func(arg string) (Backend, error){}
)

// Register makes a backend available to [Open]. It panics on a duplicate
// name; call it from init.
func Register(name string, open func(arg string) (Backend, error)) {
	registryMu.Lock()
	defer registryMu.Unlock()
	if registry[name] != nil {
		panic("backend: duplicate registration of " + name)
	}
	registry[name] = open
}

// Names returns the registered backends in order.
func Names() []string {
	registryMu.Lock()
	defer registryMu.Unlock()
	var n []string
	for k := range registry {
		n = append(n, k)
	}
	slices.Sort(n)
	return n
}

// Open returns the backend that spec names: "cpu", "gpu", "gpu:1", or "auto"
// for the GPU where there is one and the CPU elsewhere. The GPU asked for by
// name and missing is an error that says what is missing.
func Open(spec string) (Backend, error) {
	if spec == "" || spec == "auto" {
		if b, err := open("gpu"); err == nil {
			return b, nil
		}
		return open("cpu")
	}
	return open(spec)
}

func open(spec string) (Backend, error) {
	name, arg, _ := strings.Cut(spec, ":")
	registryMu.Lock()
	f := registry[name]
	registryMu.Unlock()
	if f == nil {
		return nil, fmt.Errorf("backend: unknown backend %q (have %s)", spec, strings.Join(Names(), ", "))
	}
	return f(arg)
}
