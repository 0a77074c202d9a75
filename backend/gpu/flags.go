//go:build cuda

package gpu

import (
	"encoding/binary"
	"fmt"
	"sync"
	"weak"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/cuda"
	"github.com/goqat/goqat/quant"
)

// maxFlags is the number of kernels at one time that may raise a flag.
const maxFlags = 16384

// flagBytes is the size of a flag: four uint32, the number of values of the
// kernel's own cause, that of ranges that are none ([quant.ErrRange]), which
// zero point is no code (see [zeroPoints]), and that zero point.
const flagBytes = 16

// flags are counters in device memory, one for each kernel that meets data it
// cannot use: the number of NaN to quantize, or of indices out of range. They are looked at once a step, in Sync, so
// that the host does not wait inside of one.
type flags struct {
	mu    sync.Mutex
	mem   *memory
	host  *cuda.Pinned
	owner []weak.Pointer[bound]
	free  []int
	// runs counts the runs of kernels with a flag, and seen those up to the
	// last look.
	runs, seen uint64
}

// take gives kernel k a flag.
func (f *flags) take(b *Backend, k *bound) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.mem == nil {
		m, err := b.heap.take(flagBytes * maxFlags)
		if err != nil {
			return -1, err
		}
		h, err := b.c.AllocPinned(flagBytes * maxFlags)
		if err != nil {
			b.heap.give(m.block)
			return -1, err
		}
		f.mem, f.host = m, h
	}
	i := len(f.owner)
	switch n := len(f.free); {
	case n > 0:
		i = f.free[n-1]
		f.free = f.free[:n-1]
	case i == maxFlags:
		return -1, fmt.Errorf("gpu: more than %d quantizers", maxFlags)
	default:
		f.owner = append(f.owner, weak.Pointer[bound]{})
	}
	f.owner[i] = weak.Make(k)
	return i, b.q.Add(k, cuda.Fill(f.address(i), 0, flagBytes))
}

func (f *flags) address(i int) cuda.Ptr { return f.mem.p + cuda.Ptr(flagBytes*i) }

func (f *flags) give(i int) {
	if i < 0 {
		return
	}
	f.mu.Lock()
	f.owner[i] = weak.Pointer[bound]{}
	f.free = append(f.free, i)
	f.mu.Unlock()
}

// raise tells that a kernel with a flag runs.
func (f *flags) raise() {
	f.mu.Lock()
	f.runs++
	f.mu.Unlock()
}

// fetch appends the copy of the flags to the host, and returns which runs it
// shows.
func (f *flags) fetch(b *Backend) (uint64, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.runs == f.seen {
		return f.runs, nil
	}
	return f.runs, b.q.Add(f, cuda.CopyOut(f.host, 0, f.mem.p, flagBytes*len(f.owner)))
}

// String names the copy in errors.
func (f *flags) String() string { return "gpu: flags" }

// check looks at the flags fetched and sets them back. The queue is idle.
func (f *flags) check(b *Backend, runs uint64) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if runs == f.seen {
		return nil
	}
	f.seen = runs
	var err error
	for i, w := range f.owner {
		word := f.host.Bytes()[flagBytes*i:]
		n, ranges := binary.NativeEndian.Uint32(word), binary.NativeEndian.Uint32(word[4:])
		zero, value := binary.NativeEndian.Uint32(word[8:]), int32(binary.NativeEndian.Uint32(word[12:]))
		if n == 0 && ranges == 0 && zero == 0 {
			continue
		}
		if err == nil {
			cause := backend.ErrNaN
			k := w.Value()
			if k != nil {
				cause = k.cause
			}
			if n == 0 {
				n, cause = ranges, quant.ErrRange
			}
			err = fmt.Errorf("gpu: %d values: %w", n, cause)
			if zero != 0 && k != nil {
				err = fmt.Errorf("gpu: %w", k.zeros.err(zero, value))
			}
			if k != nil {
				err = &backend.KernelError{Kernel: k, Err: &backend.Error{Backend: b.name, Op: k.op.OpName(), In: k.in, Err: err}}
			}
		}
	}
	if err != nil {
		if e := b.q.Add(f, cuda.Fill(f.mem.p, 0, flagBytes*len(f.owner))); e != nil {
			return b.fault(e)
		}
	}
	return err
}

func (f *flags) close() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.host != nil {
		_ = f.host.Free()
	}
	f.mem, f.host = nil, nil
}
