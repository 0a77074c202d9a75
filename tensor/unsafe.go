package tensor

import "unsafe"

// This file is the only one of the package that uses unsafe: typed views of
// byte arrays that the package itself allocated or checked.

const alignment = 64

// alignedBytes returns n zeroed bytes that start on a cache line.
func alignedBytes(n int) []byte {
	b := make([]byte, n+alignment)
	off := 0
	if r := int(uintptr(unsafe.Pointer(&b[0])) % alignment); r != 0 {
		off = alignment - r
	}
	return b[off : off+n : off+n]
}

// aligned reports whether b may be viewed as elements of type d.
func aligned(b []byte, d DType) bool {
	if len(b) == 0 || d == B1 {
		return true
	}
	return uintptr(unsafe.Pointer(unsafe.SliceData(b)))%uintptr(d.Bytes(1)) == 0
}

// Raw returns the bytes of v, which it shares.
func Raw[T Element](v []T) []byte { return bytesOf(v) }

func bytesOf[T any](v []T) []byte {
	if len(v) == 0 {
		return []byte{}
	}
	return unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(v))), len(v)*int(unsafe.Sizeof(v[0])))
}

func view[T any](t *Tensor, d DType) []T {
	if t.spec.DType != d {
		return nil
	}
	if len(t.data) == 0 {
		return []T{}
	}
	return unsafe.Slice((*T)(unsafe.Pointer(unsafe.SliceData(t.data))), t.spec.Numel())
}

// Element is the set of Go types that tensors store.
type Element interface {
	float32 | float64 | BFloat16 | int8 | uint8 | int32 | int64
}

// Cast returns the first n elements of b as type T, sharing memory. It panics
// when b is too short or not aligned for T: both are bugs of the caller, who
// lays out the memory.
func Cast[T Element](b []byte, n int) []T {
	var zero T
	size := int(unsafe.Sizeof(zero))
	if n == 0 {
		return []T{}
	}
	if n < 0 || n > len(b)/size {
		panic("tensor: cast beyond the end of the bytes")
	}
	p := unsafe.Pointer(unsafe.SliceData(b))
	if uintptr(p)%uintptr(size) != 0 {
		panic("tensor: cast of unaligned bytes")
	}
	return unsafe.Slice((*T)(p), n)
}
