//go:build cuda

package cuda

// #include <stdlib.h>
// #include "runtime.h"
import "C"

import (
	"math"
	"unsafe"
)

// Command is one thing for a [Queue] to do. It refers to functions, memory
// and arguments by address: they must stay until it is done.
type Command struct{ c C.goqat_command }

// Dim is the extent of a grid or a block; a 0 counts as 1.
type Dim struct{ X, Y, Z int }

func (d Dim) c() [3]C.uint32_t {
	return [3]C.uint32_t{C.uint32_t(max(d.X, 1)), C.uint32_t(max(d.Y, 1)), C.uint32_t(max(d.Z, 1))}
}

// Launch describes the launch of a kernel.
type Launch struct {
	Grid, Block Dim
	// Shared is the dynamic shared memory of a block, in bytes; more than
	// 48 KiB needs [Function.SetShared] first.
	Shared int
	// Cluster groups blocks; the zero value for none.
	Cluster Dim
	// Cooperative lets the grid synchronize: all blocks must fit at once.
	Cooperative bool
	// Overlap lets the kernel start before the one ahead has ended; it must
	// wait for it itself.
	Overlap bool
}

// Command returns the launch of f with arguments a.
func (l Launch) Command(f Function, a *Args) Command {
	k := Command{C.goqat_command{kind: C.GOQAT_LAUNCH, grid: l.Grid.c(), block: l.Block.c(), shared: C.uint32_t(l.Shared),
		handle: C.uint64_t(f.handle), params: C.uint64_t(uintptr(a.block))}}
	if l.Cluster != (Dim{}) {
		k.c.cluster = l.Cluster.c()
	}
	if l.Cooperative {
		k.c.flags |= C.GOQAT_COOPERATIVE
	}
	if l.Overlap {
		k.c.flags |= C.GOQAT_OVERLAP
	}
	return k
}

// CopyIn copies n bytes of pinned memory from an offset to the device.
func CopyIn(dst Ptr, src *Pinned, offset, n int) Command {
	return Command{C.goqat_command{kind: C.GOQAT_COPY_IN, dst: C.uint64_t(dst), src: C.uint64_t(src.p) + C.uint64_t(offset), bytes: C.uint64_t(n)}}
}

// CopyOut copies n bytes of device memory to pinned memory at an offset.
func CopyOut(dst *Pinned, offset int, src Ptr, n int) Command {
	return Command{C.goqat_command{kind: C.GOQAT_COPY_OUT, dst: C.uint64_t(dst.p) + C.uint64_t(offset), src: C.uint64_t(src), bytes: C.uint64_t(n)}}
}

// Copy copies n bytes on the device.
func Copy(dst, src Ptr, n int) Command {
	return Command{C.goqat_command{kind: C.GOQAT_COPY, dst: C.uint64_t(dst), src: C.uint64_t(src), bytes: C.uint64_t(n)}}
}

// Fill sets n bytes to v.
func Fill(dst Ptr, v byte, n int) Command {
	return Command{C.goqat_command{kind: C.GOQAT_FILL8, dst: C.uint64_t(dst), value: C.uint32_t(v), bytes: C.uint64_t(n)}}
}

// Fill32 sets n bytes, a multiple of 4, to the words v.
func Fill32(dst Ptr, v uint32, n int) Command {
	return Command{C.goqat_command{kind: C.GOQAT_FILL32, dst: C.uint64_t(dst), value: C.uint32_t(v), bytes: C.uint64_t(n)}}
}

// Call calls a C function int f(CUstream, void*) with data when its turn comes,
// on the thread of the context: so a vendor's library puts its work into the
// queue, also into a graph that is recorded. What f returns, a CUresult, is the
// fault of the command.
func Call(f, data unsafe.Pointer) Command {
	return Command{C.goqat_command{kind: C.GOQAT_CALL, handle: C.uint64_t(uintptr(f)), params: C.uint64_t(uintptr(data))}}
}

// Args is the argument block of a launch: the values, each aligned to its
// size as in a C struct, and a table of their addresses, in C memory, so that
// a launch allocates and copies nothing.
type Args struct {
	block unsafe.Pointer
	bytes []byte
	at    []int
}

// NewArgs returns an empty block; append in the order of the kernel's
// parameters, then [Args.Seal].
func NewArgs() *Args { return &Args{} }

func (a *Args) put(b []byte, align int) *Args {
	for len(a.bytes)%align != 0 {
		a.bytes = append(a.bytes, 0)
	}
	a.at = append(a.at, len(a.bytes))
	a.bytes = append(a.bytes, b...)
	return a
}

// Ptr appends an address.
func (a *Args) Ptr(p Ptr) *Args { return a.U64(uint64(p)) }

// U64 appends an unsigned 64-bit integer.
func (a *Args) U64(v uint64) *Args { return a.put((*[8]byte)(unsafe.Pointer(&v))[:], 8) }

// I64 appends a 64-bit integer.
func (a *Args) I64(v int64) *Args { return a.U64(uint64(v)) }

// U32 appends an unsigned 32-bit integer.
func (a *Args) U32(v uint32) *Args { return a.put((*[4]byte)(unsafe.Pointer(&v))[:], 4) }

// I32 appends a 32-bit integer.
func (a *Args) I32(v int32) *Args { return a.U32(uint32(v)) }

// F32 appends a float.
func (a *Args) F32(v float32) *Args { return a.U32(math.Float32bits(v)) }

// F64 appends a double.
func (a *Args) F64(v float64) *Args { return a.U64(math.Float64bits(v)) }

// Struct appends a struct by value: its bytes, and the alignment of its
// largest member, at most 64.
func (a *Args) Struct(b []byte, align int) *Args { return a.put(b, align) }

// Seal moves the block to C memory, after which nothing may be appended, and
// returns it.
func (a *Args) Seal() *Args {
	table := (8*len(a.at) + 63) / 64 * 64
	// Room to align by hand: a struct by value may want 64 bytes.
	raw := C.malloc(C.size_t(table + len(a.bytes) + 128))
	start := (uintptr(raw) + 8 + 63) / 64 * 64
	block := unsafe.Add(raw, start-uintptr(raw))
	*(*unsafe.Pointer)(unsafe.Add(block, -8)) = raw
	values := unsafe.Add(block, table)
	copy(unsafe.Slice((*byte)(values), len(a.bytes)), a.bytes)
	ptrs := unsafe.Slice((*uintptr)(block), len(a.at))
	for i, o := range a.at {
		ptrs[i] = uintptr(values) + uintptr(o)
	}
	a.block = block
	a.bytes, a.at = nil, nil
	live.arguments.Add(1)
	return a
}

// Free releases the block, which no launch may use any more; a graph has a
// copy of its own.
func (a *Args) Free() {
	if a.block == nil {
		return
	}
	C.free(*(*unsafe.Pointer)(unsafe.Add(a.block, -8)))
	a.block = nil
	live.arguments.Add(-1)
}
