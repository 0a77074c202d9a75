package gemm

import "unsafe"

// bytesOf returns the codes of a as bytes, sharing memory.
func bytesOf[A Code](a []A) []byte {
	if len(a) == 0 {
		return nil
	}
	return unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(a))), len(a))
}

// codesOf returns b as codes, sharing memory.
func codesOf[A Code](b []byte) []A {
	if len(b) == 0 {
		return nil
	}
	return unsafe.Slice((*A)(unsafe.Pointer(unsafe.SliceData(b))), len(b))
}

// cast returns the first n elements of b as type T, sharing memory.
// [github.com/goqat/goqat/tensor.Cast] does not know int16 or named types.
func cast[T Cell | ~int16 | ~int32](b []byte, n int) []T {
	var zero T
	size := int(unsafe.Sizeof(zero))
	if n == 0 {
		return nil
	}
	if n < 0 || n > len(b)/size {
		panic("gemm: workspace is too short")
	}
	p := unsafe.Pointer(unsafe.SliceData(b))
	if uintptr(p)%uintptr(size) != 0 {
		panic("gemm: unaligned workspace")
	}
	return unsafe.Slice((*T)(p), n)
}

func sizeOf[T Float]() int {
	var zero T
	return int(unsafe.Sizeof(zero))
}

// Cells returns the first n elements of b as cells, sharing memory.
func Cells[E Cell](b []byte, n int) []E { return cast[E](b, n) }

// CellBytes is the size of a cell.
func CellBytes[E Cell]() int {
	var zero E
	return int(unsafe.Sizeof(zero))
}

// Bytes returns cells as bytes, sharing memory.
func Bytes(cells []uint32) []byte {
	if len(cells) == 0 {
		return nil
	}
	return unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(cells))), 4*len(cells))
}
