//go:build cuda

package gpu

import (
	"context"
	"fmt"
	"math"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/backend/gpu/internal/choices"
	"github.com/goqat/goqat/cuda"
	"github.com/goqat/goqat/tensor"
)

// kernel is one operation of this backend.
type kernel struct {
	// module is the stem of the file in csrc with the kernels.
	module string
	// bind works out the launches of op; entries of out are nil for results
	// nobody uses, entries of in for absent inputs.
	bind func(k *build, op backend.Op, out, in []*Buffer) error
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
		panic("gpu: duplicate kernel for " + name)
	}
	kernels[name] = k
}

// Element types that many kernels take.
var f32 = []tensor.DType{tensor.F32}

// Has reports whether there is a kernel of this name.
func Has(name string) bool { _, ok := kernels[name]; return ok }

// Supports reports whether Bind accepts op: there is a kernel for the types,
// and code of it for the device.
func (b *Backend) Supports(op backend.Op, in ...tensor.Spec) bool {
	k, ok := kernels[op.OpName()]
	if !ok || k.module != "" && !b.code.has(k.module) {
		return false
	}
	if k.supports != nil {
		return k.supports(op, in)
	}
	return len(k.types) == 0 || len(in) > 0 && slices.Contains(k.types, in[0].DType)
}

// Bind works out what op does to its buffers.
func (b *Backend) Bind(op backend.Op, out, in []backend.Buffer) (backend.Kernel, error) {
	specs := backend.Specs(in)
	fault := func(err error) (backend.Kernel, error) {
		return nil, &backend.Error{Backend: b.name, Op: op.OpName(), In: specs, Err: fail(err)}
	}
	if !b.Supports(op, specs...) {
		return fault(backend.ErrUnsupported)
	}
	to, err := devices(out)
	if err != nil {
		return fault(err)
	}
	ti, err := devices(in)
	if err != nil {
		return fault(err)
	}
	if err := checkSizes(slices.Concat(to, ti)...); err != nil {
		return fault(err)
	}
	def := kernels[op.OpName()]
	k := b.newBound(op, specs)
	for _, x := range slices.Concat(to, ti) {
		if x != nil {
			k.uses = append(k.uses, x.mem)
		}
	}
	if err := def.bind(&build{Backend: b, k: k, module: def.module, out: to, in: ti}, op, to, ti); err != nil {
		k.r.release()
		return fault(err)
	}
	return k, nil
}

// bound is an operation with its commands, or a recorded step.
type bound struct {
	b    *Backend
	op   backend.Op // nil for a recorded step.
	in   []tensor.Spec
	cmds []cuda.Command
	uses []*memory        // Kept alive,
	step []backend.Kernel // and so are the kernels of a recorded step.
	r    *resources
	nan  bool // The commands may raise a flag,
	// for cause.
	cause error
	zeros zeroPoints
	temp  int64 // Bytes of temporary memory.
}

// Workspace returns the bytes of temporary memory that a run takes.
func (k *bound) Workspace() int64 { return k.temp }

// newBound returns a kernel without commands.
func (b *Backend) newBound(op backend.Op, in []tensor.Spec) *bound {
	k := &bound{b: b, op: op, in: in, r: &resources{b: b, flag: -1}}
	b.mu.Lock()
	b.owned[k.r] = struct{}{}
	b.mu.Unlock()
	// Pending commands refer to the kernel, so it cannot be found dead before
	// they are issued.
	runtime.AddCleanup(k, (*resources).release, k.r)
	return k
}

// Run appends the commands to the queue.
func (k *bound) Run(context.Context) error {
	if k.r.gone.Load() {
		return fmt.Errorf("%v was released: bind it anew", k)
	}
	if k.nan {
		k.b.flags.raise()
	}
	if err := k.b.q.Add(k, k.cmds...); err != nil {
		return k.b.fault(err)
	}
	return nil
}

// String names the kernel in errors.
func (k *bound) String() string {
	if k.op == nil {
		return "gpu: recorded step"
	}
	return "gpu: " + k.op.OpName()
}

// resources are what a kernel holds outside of Go's memory.
type resources struct {
	b     *Backend
	once  sync.Once
	gone  atomic.Bool
	args  []*cuda.Args
	graph *cuda.Graph
	flag  int
	// collective says that there are operations of a group.
	collective bool
	// more is what a kernel file needs released, such as a plan of a library.
	more []func()
}

func (r *resources) release() {
	r.once.Do(func() {
		r.gone.Store(true)
		for _, a := range r.args {
			a.Free()
		}
		if r.graph != nil || len(r.more) > 0 {
			r.b.q.Drain() // It may be running.
		}
		if r.graph != nil {
			_ = r.graph.Close()
		}
		for _, f := range r.more {
			f()
		}
		r.b.flags.give(r.flag)
		r.b.mu.Lock()
		delete(r.b.owned, r)
		r.b.mu.Unlock()
	})
}

// build collects the commands of one kernel.
type build struct {
	*Backend
	k      *bound
	module string
	out    []*Buffer // Of the operation.
	in     []*Buffer
	forced *choices.Choice // The kernel to take, where it is being measured.
	part   *memory         // The scratch memory of this kernel
	taken  int64           // and how much of it.
}

// arch returns the compute capability of the device, as 90.
func (k *build) arch() int { return k.c.Device().Arch() }

// launch appends the launch of a kernel of the operation's module. Arguments
// are *Buffer (nil: a null pointer), cuda.Ptr, int32, uint32, int64, uint64,
// float32, float64, or []byte for a tensor map, in the order and of the size
// of the kernel's parameters, which is checked.
func (k *build) launch(name string, l cuda.Launch, args ...any) error {
	return k.launchFrom(k.module, name, l, args...)
}

// launchFrom is launch with a kernel of another module.
func (k *build) launchFrom(module, name string, l cuda.Launch, args ...any) error {
	if l.Grid.X <= 0 {
		return nil // Nothing to compute: the driver refuses an empty grid.
	}
	if l.Grid.X > math.MaxInt32 || l.Grid.Y > maxGridYZ || l.Grid.Z > maxGridYZ {
		return fmt.Errorf("gpu: kernel %s: %d x %d x %d blocks are more than a device runs: %w", name, l.Grid.X, l.Grid.Y, l.Grid.Z, backend.ErrUnsupported)
	}
	f, params, err := k.code.function(module, name)
	if err != nil {
		return err
	}
	if l.Shared > 48<<10 {
		if err := f.SetShared(l.Shared); err != nil {
			return err
		}
	}
	a := cuda.NewArgs()
	sizes := make([]int, len(args))
	for i, v := range args {
		switch v := v.(type) {
		case *Buffer:
			sizes[i] = 8
			if v == nil {
				a.Ptr(0)
			} else {
				a.Ptr(v.ptr)
			}
		case cuda.Ptr:
			sizes[i] = 8
			a.Ptr(v)
		case int32:
			sizes[i] = 4
			a.I32(v)
		case uint32:
			sizes[i] = 4
			a.U32(v)
		case int64:
			sizes[i] = 8
			a.I64(v)
		case uint64:
			sizes[i] = 8
			a.U64(v)
		case float32:
			sizes[i] = 4
			a.F32(v)
		case float64:
			sizes[i] = 8
			a.F64(v)
		case []byte:
			sizes[i] = len(v)
			a.Struct(v, 64)
		default:
			return fmt.Errorf("gpu: kernel %s: argument %d is a %T", name, i, v)
		}
	}
	if params != nil && !slices.Equal(sizes, params) {
		return fmt.Errorf("gpu: kernel %s takes arguments of %v bytes, not %v", name, params, sizes)
	}
	k.k.r.args = append(k.k.r.args, a.Seal())
	k.k.cmds = append(k.k.cmds, l.Command(f, a))
	return nil
}

// command appends a command, such as a fill or a copy.
func (k *build) command(c cuda.Command) { k.k.cmds = append(k.k.cmds, c) }

// zero appends the clearing of a buffer.
func (k *build) zero(x *Buffer) {
	if x != nil && x.spec.Bytes() > 0 {
		k.command(cuda.Fill(x.ptr, 0, x.spec.Bytes()))
	}
}

// onRelease registers a function that releases what the bind function made. It
// must not refer to the kernel, which would then never be found dead.
func (k *build) onRelease(f func()) { k.k.r.more = append(k.k.r.more, f) }

// temporary returns n bytes that belong to this kernel while it runs, aligned
// to 256; their contents are undefined at the start of each run. All kernels
// share them, as they run one after the other.
func (k *build) temporary(n int64) (cuda.Ptr, error) {
	n = (n + 255) / 256 * 256
	if k.part == nil || k.taken+n > k.part.n {
		m, err := k.workspace(k.taken + n)
		if err != nil {
			return 0, err
		}
		k.k.uses = append(k.k.uses, m)
		k.part, k.taken = m, 0
	}
	p := k.part.p + cuda.Ptr(k.taken)
	k.taken += n
	k.k.temp += n
	return p, nil
}

// workspace returns the memory that kernels share, of n bytes at least.
// Kernels bound before keep the one they had.
func (b *Backend) workspace(n int64) (*memory, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.scratch != nil && b.scratch.n >= n {
		return b.scratch, nil
	}
	m, err := b.heap.take(max(n, 1<<20))
	if err != nil {
		return nil, err
	}
	b.scratch = m
	return m, nil
}

// own returns memory that belongs to this kernel for good, zeroed once: for
// counters that the kernel itself sets back.
func (k *build) own(n int64) (cuda.Ptr, error) {
	m, err := k.heap.take(n)
	if err != nil {
		return 0, err
	}
	k.k.uses = append(k.k.uses, m)
	h, block := &k.heap, m.block
	k.onRelease(func() { h.give(block) })
	return m.p, k.q.Add(k.k, cuda.Fill(m.p, 0, int(n)))
}

// placeOf returns where a result goes: its buffer, or, when nobody uses it but
// the kernel needs a place to write, temporary memory.
func (k *build) placeOf(x *Buffer, bytes int) (cuda.Ptr, error) {
	if x != nil {
		return x.ptr, nil
	}
	return k.temporary(int64(bytes))
}

// nanFlag returns the address of a uint32 to which the kernel adds the number
// of NaN that it must quantize; Sync makes them a [backend.ErrNaN]. To the
// uint32 behind it goes the number of ranges that are none (quant.ErrRange).
func (k *build) nanFlag() (cuda.Ptr, error) { return k.flag(backend.ErrNaN) }

// indexFlag is nanFlag for indices and labels out of range, [backend.ErrIndex].
func (k *build) indexFlag() (cuda.Ptr, error) { return k.flag(backend.ErrIndex) }

// flag returns the one flag of the kernel, which stands for cause.
func (k *build) flag(cause error) (cuda.Ptr, error) {
	k.k.nan, k.k.cause = true, cause
	if k.k.r.flag < 0 {
		i, err := k.flags.take(k.Backend, k.k)
		if err != nil {
			return 0, err
		}
		k.k.r.flag = i
	}
	return k.flags.address(k.k.r.flag), nil
}

// maxGridYZ is how many blocks a grid may have in its second and third
// dimension.
const maxGridYZ = 65535

// checkSizes returns an error for tensors whose dimensions, or whose rows, 32
// bits do not count: kernels hold indices of elements in 64 bits, and these in 32.
func checkSizes(bs ...*Buffer) error {
	for _, x := range bs {
		if x == nil || x.numel() <= math.MaxInt32 {
			continue
		}
		s, rows := x.spec.Shape, 1
		for i, d := range s {
			if i < len(s)-1 {
				rows *= d
			}
			if d > math.MaxInt32 || rows > math.MaxInt32 {
				return fmt.Errorf("gpu: %v has 2^31 or more rows, or elements of one dimension: %w", x.spec, backend.ErrUnsupported)
			}
		}
	}
	return nil
}

// threads is the block size of elementwise kernels.
const threads = 256

// elementwise returns the launch of a kernel in which each thread handles 4
// of n elements, or more where the grid would be too large.
func (k *build) elementwise(n int) cuda.Launch {
	return cuda.Launch{Grid: cuda.Dim{X: min((n+4*threads-1)/(4*threads), 1<<20)}, Block: cuda.Dim{X: threads}}
}
