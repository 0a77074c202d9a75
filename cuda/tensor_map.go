//go:build cuda

package cuda

// #include <stdlib.h>
// #include <string.h>
// #include "runtime.h"
import "C"

import (
	"fmt"
	"unsafe"
)

// ElementType is the type of the elements that a [TensorMap] moves.
type ElementType int

// Element types, with the driver's numbers.
const (
	ElementU8   ElementType = 0 // Also for int8.
	ElementI32  ElementType = 3
	ElementF32  ElementType = 7
	ElementBF16 ElementType = 9
)

// Swizzle is the order in which a tile's 16-byte parts stand in shared memory.
type Swizzle int

// Swizzles by the bytes of a row.
const (
	SwizzleNone Swizzle = iota
	Swizzle32
	Swizzle64
	Swizzle128
)

// TensorMap describes a tensor in device memory for the copy engine of
// Hopper and later (TMA). Dimensions go from the innermost out.
type TensorMap struct {
	Type ElementType
	Base Ptr // A multiple of 16.
	Dims []uint64
	// Strides are the bytes between neighbours of each dimension but the
	// innermost: multiples of 16.
	Strides []uint64
	Box     []uint32 // The tile that one copy moves.
	Swizzle Swizzle
}

// Encode returns the 128 bytes that a kernel takes by value, with alignment 64.
func (t TensorMap) Encode(c *Context) ([]byte, error) {
	n := len(t.Dims)
	if n < 1 || n > 5 || len(t.Strides) != n-1 || len(t.Box) != n {
		return nil, fmt.Errorf("cuda: tensor map of %d dimensions, %d strides and a box of %d", n, len(t.Strides), len(t.Box))
	}
	out := make([]byte, 128)
	// The driver writes to memory aligned to 64 bytes.
	raw := C.malloc(256)
	defer C.free(raw)
	m := unsafe.Add(raw, (64-uintptr(raw)%64)%64)
	var dims, strides [5]C.uint64_t
	var box, steps [5]C.uint32_t
	for i := range n {
		dims[i], box[i], steps[i] = C.uint64_t(t.Dims[i]), C.uint32_t(t.Box[i]), 1
		if i > 0 {
			strides[i-1] = C.uint64_t(t.Strides[i-1])
		}
	}
	err := c.Do(func() error {
		const promote256 = 3
		return c.code("cuTensorMapEncodeTiled", int(C.goqat_tensor_map(m, C.int(t.Type), C.int(n), C.uint64_t(t.Base), &dims[0], &strides[0], &box[0], &steps[0], C.int(t.Swizzle), promote256)))
	})
	copy(out, unsafe.Slice((*byte)(m), 128))
	return out, err
}
