// Package tensor has the element types, shapes and host tensors that every
// other package of goqat works on. It depends on the standard library only.
package tensor

import (
	"encoding/binary"
	"fmt"
	"math"
)

// Tensor is a dense row-major array in host memory. It does not own its
// bytes: [Tensor.View] and arenas share them.
type Tensor struct {
	spec   Spec
	data   []byte
	frozen bool
}

// New allocates a zeroed tensor whose first byte is 64-byte aligned.
// It panics if the shape is not valid; use [Shape.Check] on sizes that come
// from outside.
func New(s Spec) *Tensor {
	if err := s.Shape.Check(); err != nil {
		panic(err)
	}
	return &Tensor{spec: s, data: alignedBytes(s.Bytes())}
}

// Wrap returns a tensor on data, which must hold at least the bytes of s and
// be aligned for its type.
func Wrap(s Spec, data []byte) (*Tensor, error) {
	if err := s.Shape.Check(); err != nil {
		return nil, err
	}
	if len(data) < s.Bytes() {
		return nil, fmt.Errorf("tensor: %v needs %d bytes, have %d", s, s.Bytes(), len(data))
	}
	if !aligned(data, s.DType) {
		return nil, fmt.Errorf("tensor: bytes are not aligned for %v", s.DType)
	}
	return &Tensor{spec: s, data: data[:s.Bytes():s.Bytes()]}, nil
}

// FromF32 returns a float32 tensor that shares v.
func FromF32(v []float32, dims ...int) *Tensor { return fromSlice(F32, v, dims) }

// FromF64 returns a float64 tensor that shares v.
func FromF64(v []float64, dims ...int) *Tensor { return fromSlice(F64, v, dims) }

// FromBF16 returns a bfloat16 tensor that shares v.
func FromBF16(v []BFloat16, dims ...int) *Tensor { return fromSlice(BF16, v, dims) }

// FromI8 returns an int8 tensor that shares v.
func FromI8(v []int8, dims ...int) *Tensor { return fromSlice(I8, v, dims) }

// FromU8 returns a uint8 tensor that shares v.
func FromU8(v []uint8, dims ...int) *Tensor { return fromSlice(U8, v, dims) }

// FromI32 returns an int32 tensor that shares v.
func FromI32(v []int32, dims ...int) *Tensor { return fromSlice(I32, v, dims) }

// FromI64 returns an int64 tensor that shares v.
func FromI64(v []int64, dims ...int) *Tensor { return fromSlice(I64, v, dims) }

// fromSlice panics when the length of v is not the number of elements: both
// are the caller's own constants.
func fromSlice[T any](d DType, v []T, dims []int) *Tensor {
	s := Spec{d, Shape(dims).Clone()}
	if s.Numel() != len(v) {
		panic(fmt.Sprintf("tensor: %d values for %v", len(v), s))
	}
	return &Tensor{spec: s, data: bytesOf(v)}
}

// Freeze declares that the contents will not change any more, so that kernels
// may keep what they make of them, such as packed weights.
func (t *Tensor) Freeze() { t.frozen = true }

// Frozen reports whether [Tensor.Freeze] was called.
func (t *Tensor) Frozen() bool { return t.frozen }

// Spec returns type and shape.
func (t *Tensor) Spec() Spec { return t.spec }

// DType returns the element type.
func (t *Tensor) DType() DType { return t.spec.DType }

// Shape returns the dimensions; the caller must not change them.
func (t *Tensor) Shape() Shape { return t.spec.Shape }

// Numel returns the number of elements.
func (t *Tensor) Numel() int { return t.spec.Numel() }

// Bytes returns the storage itself.
func (t *Tensor) Bytes() []byte { return t.data }

// F32 returns the elements as float32, nil when the type is another.
func (t *Tensor) F32() []float32 { return view[float32](t, F32) }

// F64 returns the elements as float64, nil when the type is another.
func (t *Tensor) F64() []float64 { return view[float64](t, F64) }

// BF16 returns the elements as bfloat16, nil when the type is another.
func (t *Tensor) BF16() []BFloat16 { return view[BFloat16](t, BF16) }

// I8 returns the elements as int8, nil when the type is another.
func (t *Tensor) I8() []int8 { return view[int8](t, I8) }

// U8 returns the elements as uint8 (for B1 the packed bytes), nil when the
// type is another.
func (t *Tensor) U8() []uint8 {
	if t.spec.DType == B1 {
		return t.data
	}
	return view[uint8](t, U8)
}

// I32 returns the elements as int32, nil when the type is another.
func (t *Tensor) I32() []int32 { return view[int32](t, I32) }

// I64 returns the elements as int64, nil when the type is another.
func (t *Tensor) I64() []int64 { return view[int64](t, I64) }

// Reshape returns a tensor of another shape with as many elements that shares
// the bytes.
func (t *Tensor) Reshape(dims ...int) (*Tensor, error) {
	s := Spec{t.spec.DType, Shape(dims).Clone()}
	if err := s.Shape.Check(); err != nil {
		return nil, err
	}
	if s.Numel() != t.Numel() {
		return nil, fmt.Errorf("tensor: cannot reshape %v to %v", t.spec, s.Shape)
	}
	return &Tensor{spec: s, data: t.data}, nil
}

// View returns rows [lo, hi) of the outermost dimension, sharing the bytes.
func (t *Tensor) View(lo, hi int) (*Tensor, error) {
	sh := t.spec.Shape
	if len(sh) == 0 || lo < 0 || hi < lo || hi > sh[0] {
		return nil, fmt.Errorf("tensor: rows %d to %d of %v", lo, hi, t.spec)
	}
	row := sh[1:].Numel()
	if t.spec.DType == B1 && (lo*row%8 != 0) {
		return nil, fmt.Errorf("tensor: row %d of %v is not byte aligned", lo, t.spec)
	}
	s := Spec{t.spec.DType, sh.Clone()}
	s.Shape[0] = hi - lo
	off := t.spec.DType.Bytes(lo * row)
	return &Tensor{spec: s, data: t.data[off : off+s.Bytes()]}, nil
}

// Clone returns a deep copy.
func (t *Tensor) Clone() *Tensor {
	c := New(Spec{t.spec.DType, t.spec.Shape.Clone()})
	copy(c.data, t.data)
	return c
}

// At returns element i of the flat array as a float64 (a B1 element as 0 or
// 1). It is for tests and reports, not for inner loops.
func (t *Tensor) At(i int) float64 {
	b := t.data
	switch t.spec.DType {
	case F32:
		return float64(math.Float32frombits(binary.NativeEndian.Uint32(b[4*i:])))
	case F64:
		return math.Float64frombits(binary.NativeEndian.Uint64(b[8*i:]))
	case BF16:
		return float64(BFloat16(binary.NativeEndian.Uint16(b[2*i:])).Float32())
	case I8:
		return float64(int8(b[i]))
	case U8:
		return float64(b[i])
	case I32:
		return float64(int32(binary.NativeEndian.Uint32(b[4*i:])))
	case I64:
		return float64(int64(binary.NativeEndian.Uint64(b[8*i:])))
	case B1:
		return float64(b[i/8] >> (i % 8) & 1)
	}
	return math.NaN()
}

// String returns type and shape.
func (t *Tensor) String() string { return t.spec.String() }
