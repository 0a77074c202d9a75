//go:build cuda

package gpu

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/cuda"
	"github.com/goqat/goqat/tensor"
)

// Buffer is a typed part of device memory.
type Buffer struct {
	spec tensor.Spec
	mem  *memory
	ptr  cuda.Ptr
	// frozen: the contents stay, and once they were needed they are here.
	frozen   atomic.Bool
	contents atomic.Pointer[[]byte]
}

// Freeze declares that the contents will not change any more, so that the
// choice of a kernel may depend on them.
func (x *Buffer) Freeze() { x.frozen.Store(true) }

// Spec returns type and shape.
func (x *Buffer) Spec() tensor.Spec { return x.spec }

func (x *Buffer) numel() int { return x.spec.Numel() }

// String names the buffer in errors of transfers.
func (x *Buffer) String() string { return "gpu: transfer of " + x.spec.String() }

// memory is one allocation. Buffers and kernels that use it keep it alive.
type memory struct {
	block
	freed atomic.Bool
}

// block is a part of device memory. Its serial number tells it from one that
// had the same address before.
type block struct {
	p      cuda.Ptr
	n      int64
	serial uint64
}

// heap hands out device memory. What is given back is kept for others to
// take, which is safe at once as there is one queue; it goes back to the
// driver when memory runs out.
type heap struct {
	b    *Backend
	mu   sync.Mutex
	used map[block]struct{}
	idle []block
	last uint64 // Serial number.
}

func (h *heap) init(b *Backend) { h.b, h.used = b, map[block]struct{}{} }

// granularity rounds sizes up, so that blocks fit others.
const granularity = 512

// take returns memory of n bytes with undefined contents.
func (h *heap) take(n int64) (*memory, error) {
	n = (max(n, 1) + granularity - 1) / granularity * granularity
	h.mu.Lock()
	defer h.mu.Unlock()
	best := -1
	for i, k := range h.idle {
		if k.n >= n && k.n <= n+n/8 && (best < 0 || k.n < h.idle[best].n) {
			best = i
		}
	}
	var k block
	if best >= 0 {
		k = h.idle[best]
		h.idle = slices.Delete(h.idle, best, best+1)
	} else {
		p, err := h.b.c.Alloc(n)
		if errors.Is(err, cuda.ErrOutOfMemory) {
			p, err = h.retry(n, err)
		}
		if err != nil {
			return nil, err
		}
		k = block{p: p, n: n}
	}
	h.last++
	k.serial = h.last
	h.used[k] = struct{}{}
	m := &memory{block: k}
	runtime.AddCleanup(m, h.give, k)
	return m, nil
}

// retry frees what nobody uses and allocates again: first what was given
// back, then what the garbage collector finds.
func (h *heap) retry(n int64, err error) (cuda.Ptr, error) {
	for try := range 3 {
		if try > 0 {
			h.mu.Unlock() // Memory that is found is given back.
			h.b.q.Drain() // Pending commands refer to theirs.
			collect()
			h.mu.Lock()
		}
		if !h.trim() {
			continue
		}
		p, e := h.b.c.Alloc(n)
		if e == nil || !errors.Is(e, cuda.ErrOutOfMemory) {
			return p, e
		}
		err = e
	}
	return 0, err
}

// collect runs the garbage collector and waits for the cleanups that it has
// found before a last one.
func collect() {
	done := make(chan struct{})
	last := new([64]byte)
	runtime.AddCleanup(last, func(c chan struct{}) { close(c) }, done)
	runtime.GC()
	<-done
}

// trim returns idle blocks to the driver; h.mu is held.
func (h *heap) trim() bool {
	if len(h.idle) == 0 {
		return false
	}
	h.b.q.Drain() // Commands before may use them.
	for _, k := range h.idle {
		_ = h.b.c.Free(k.p, k.n)
	}
	h.idle = h.idle[:0]
	return true
}

// give takes a block back.
func (h *heap) give(k block) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if _, ok := h.used[k]; !ok {
		return // Given back by hand before, or with the backend.
	}
	delete(h.used, k)
	h.idle = append(h.idle, k)
}

func (h *heap) close() {
	h.mu.Lock()
	defer h.mu.Unlock()
	for k := range h.used {
		h.idle = append(h.idle, k)
	}
	clear(h.used)
	for _, k := range h.idle {
		_ = h.b.c.Free(k.p, k.n)
	}
	h.idle = nil
}

// Alloc returns zeroed device memory. When there is none it returns
// [backend.ErrOutOfMemory] with what was needed and what is free.
func (b *Backend) Alloc(s tensor.Spec) (backend.Buffer, error) {
	if err := s.Shape.Check(); err != nil {
		return nil, fmt.Errorf("gpu: %w", err)
	}
	m, err := b.heap.take(int64(s.Bytes()))
	if err != nil {
		return nil, b.fault(err)
	}
	x := &Buffer{spec: s, mem: m, ptr: m.p}
	if s.Bytes() > 0 {
		if err := b.q.Add(x, cuda.Fill(x.ptr, 0, s.Bytes())); err != nil {
			return nil, b.fault(err)
		}
	}
	return x, nil
}

// View returns the bytes of x from offset on as type s.
func (b *Backend) View(x backend.Buffer, offset int, s tensor.Spec) (backend.Buffer, error) {
	d, err := device(x)
	if err != nil {
		return nil, err
	}
	if err := s.Shape.Check(); err != nil {
		return nil, fmt.Errorf("gpu: %w", err)
	}
	if have := d.spec.Bytes(); offset < 0 || offset > have || s.Bytes() > have-offset {
		return nil, fmt.Errorf("gpu: %v needs %d bytes at offset %d of a buffer of %d", s, s.Bytes(), offset, have)
	}
	if w := s.DType.Bytes(1); s.DType != tensor.B1 && offset%w != 0 {
		return nil, fmt.Errorf("gpu: offset %d is not aligned for %v", offset, s.DType)
	}
	return &Buffer{spec: s, mem: d.mem, ptr: d.ptr + cuda.Ptr(offset)}, nil
}

// Write copies src to dst behind the work started so far; src may be changed
// when it returns.
func (b *Backend) Write(ctx context.Context, dst backend.Buffer, src []byte) error {
	d, err := device(dst)
	if err != nil {
		return err
	}
	if len(src) != d.spec.Bytes() {
		return fmt.Errorf("gpu: write of %d bytes to %v, which has %d", len(src), d.spec, d.spec.Bytes())
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := b.q.Upload(d, d.ptr, src); err != nil {
		return b.fault(err)
	}
	return nil
}

// Read waits for the work started so far and copies src to dst.
func (b *Backend) Read(ctx context.Context, dst []byte, src backend.Buffer) error {
	d, err := device(src)
	if err != nil {
		return err
	}
	if len(dst) != d.spec.Bytes() {
		return fmt.Errorf("gpu: read of %v into %d bytes, want %d", d.spec, len(dst), d.spec.Bytes())
	}
	if err := b.q.Download(ctx, d, dst, d.ptr); err != nil {
		return b.fault(err)
	}
	return nil
}

// Release gives memory and kernels back.
func (b *Backend) Release(bs []backend.Buffer, ks []backend.Kernel) {
	if len(ks) > 0 {
		b.q.Drain() // What was started may still need them.
	}
	for _, k := range ks {
		if k, ok := k.(*bound); ok && k.b == b {
			k.r.release()
		}
	}
	for _, x := range bs {
		if x, ok := x.(*Buffer); ok && !x.mem.freed.Swap(true) {
			b.heap.give(x.mem.block)
		}
	}
}

func device(x backend.Buffer) (*Buffer, error) {
	d, ok := x.(*Buffer)
	if !ok {
		return nil, fmt.Errorf("gpu: buffer of type %T is not in device memory", x)
	}
	if d.mem.freed.Load() {
		return nil, fmt.Errorf("gpu: buffer %v was released", d.spec)
	}
	return d, nil
}

func devices(bs []backend.Buffer) ([]*Buffer, error) {
	ds := make([]*Buffer, len(bs))
	for i, x := range bs {
		if x == nil {
			continue
		}
		d, err := device(x)
		if err != nil {
			return nil, err
		}
		ds[i] = d
	}
	return ds, nil
}
