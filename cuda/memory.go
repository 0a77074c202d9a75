//go:build cuda

package cuda

// #include "runtime.h"
import "C"

import (
	"errors"
	"unsafe"

	"gorgonia.org/cu"
)

// Ptr is an address in device memory.
type Ptr uint64

// Alloc returns n bytes of device memory, aligned to 256 bytes; their
// contents are undefined. When there is too little it returns a
// [MemoryError].
func (c *Context) Alloc(n int64) (p Ptr, err error) {
	err = c.Do(func() error {
		d, err := cu.MemAlloc(max(n, 1))
		if err = c.check("cuMemAlloc", err); err != nil {
			if errors.Is(err, ErrOutOfMemory) {
				m := &MemoryError{Need: n, Err: err}
				m.Free, m.Total, _ = cu.MemInfo()
				err = m
			}
			return err
		}
		p = Ptr(d)
		live.allocations.Add(1)
		live.bytes.Add(n)
		return nil
	})
	return p, err
}

// Free returns memory of n bytes, which no command that is not finished may
// use.
func (c *Context) Free(p Ptr, n int64) error {
	return c.do(func() error {
		live.allocations.Add(-1)
		live.bytes.Add(-n)
		return c.check("cuMemFree", cu.MemFree(cu.DevicePtr(p)))
	})
}

// MemInfo returns the free and all bytes of the device.
func (c *Context) MemInfo() (free, total int64, err error) {
	err = c.Do(func() error {
		var err error
		free, total, err = cu.MemInfo()
		return c.check("cuMemGetInfo", err)
	})
	return free, total, err
}

// Pinned is host memory that the device reads and writes without the
// driver's help: the only host memory that commands may name, as Go's own
// must not be known to C after a call.
type Pinned struct {
	c *Context
	p uint64
	b []byte
}

// AllocPinned returns n zeroed bytes of pinned host memory.
func (c *Context) AllocPinned(n int) (*Pinned, error) {
	m := &Pinned{c: c}
	err := c.Do(func() error {
		var p C.uint64_t
		if err := c.code("cuMemHostAlloc", int(C.goqat_host_alloc(&p, C.size_t(max(n, 1))))); err != nil {
			if errors.Is(err, ErrOutOfMemory) {
				err = &MemoryError{Need: int64(n), Err: err}
			}
			return err
		}
		m.p = uint64(p)
		m.b = unsafe.Slice((*byte)(pointer(m.p)), n)
		clear(m.b)
		live.pinned.Add(1)
		live.pinnedBytes.Add(int64(n))
		return nil
	})
	if err != nil {
		return nil, err
	}
	return m, nil
}

// Bytes returns the memory; it is valid until [Pinned.Free].
func (m *Pinned) Bytes() []byte { return m.b }

// Free returns the memory, which no command that is not finished may use.
func (m *Pinned) Free() error {
	if m.p == 0 {
		return nil
	}
	n := len(m.b)
	err := m.c.do(func() error {
		live.pinned.Add(-1)
		live.pinnedBytes.Add(-int64(n))
		return m.c.check("cuMemFreeHost", cu.MemFreeHost(pointer(m.p)))
	})
	m.p, m.b = 0, nil
	return err
}

// pointer returns an address that C gave as a pointer. It goes through memory
// as the address is none of Go's.
func pointer(p uint64) unsafe.Pointer { return *(*unsafe.Pointer)(unsafe.Pointer(&p)) }
