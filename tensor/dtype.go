package tensor

import "fmt"

// DType is the element type of a tensor.
type DType uint8

// The element types. B1 is one bit an element, packed eight to a byte, lowest
// bit first: the straight-through masks kept for the backward pass. BF16 is
// bfloat16, the upper half of a float32 ([BFloat16]).
const (
	Invalid DType = iota
	F32
	F64
	I8
	U8
	I32
	I64
	B1
	BF16
)

var dtypeNames = [...]string{"invalid", "float32", "float64", "int8", "uint8", "int32", "int64", "bit", "bfloat16"}

// String returns the type's name, such as "float32".
func (d DType) String() string {
	if int(d) < len(dtypeNames) {
		return dtypeNames[d]
	}
	return fmt.Sprintf("DType(%d)", uint8(d))
}

// Bytes returns the storage of n elements in bytes.
func (d DType) Bytes(n int) int {
	switch d {
	case F64, I64:
		return 8 * n
	case F32, I32:
		return 4 * n
	case BF16:
		return 2 * n
	case I8, U8:
		return n
	case B1:
		return (n + 7) / 8
	}
	return 0
}

// Float reports whether d is a floating-point type.
func (d DType) Float() bool { return d == F32 || d == F64 || d == BF16 }

// Code reports whether d stores quantized codes (int8 or uint8).
func (d DType) Code() bool { return d == I8 || d == U8 }
