// Package safetensors reads and writes the safetensors format of Hugging Face:
// eight bytes of header length, a JSON header, and the tensors' bytes, little
// endian, one after the other.
//
//	{"__metadata__": {"key": "value"},
//	 "name": {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]}}
//
// The reader takes files from strangers. It refuses what the format forbids or
// leaves ambiguous: a header over 100 MB or longer than the file, names or keys
// given twice, tensors that overlap, leave a hole or do not end with the file,
// and sizes that do not match the shape. Nothing is allocated for a tensor
// before all of this has been checked, so the memory of a file is bounded by
// its size. The grammar of the header is fixed, three levels deep, and parsed
// without recursion.
package safetensors

import (
	"fmt"
	"math"

	"github.com/goqat/goqat/tensor"
)

const (
	// MaxHeader is the largest header in bytes, the format's own bound.
	MaxHeader = 100_000_000
	// MaxTensors is the largest number of tensors and of metadata entries. It
	// keeps the tables of a hostile file small beside the file.
	MaxTensors = 1 << 16

	metadataKey = "__metadata__"
)

// Named is a tensor and its name.
type Named struct {
	Name   string
	Tensor *tensor.Tensor
}

// File is the content of a safetensors file. The tensors own their bytes.
type File struct {
	Metadata map[string]string // nil when the file has none
	Names    []string          // in the order of the data in the file
	Tensors  map[string]*tensor.Tensor
}

// List returns the tensors in the order of the file.
func (f *File) List() []Named {
	l := make([]Named, len(f.Names))
	for i, n := range f.Names {
		l[i] = Named{n, f.Tensors[n]}
	}
	return l
}

// FormatError reports bytes that are not a safetensors file or break one of
// its rules.
type FormatError struct {
	Offset int64  // in the file
	Tensor string // the name, when the fault is one tensor's
	Reason string
}

// Error returns where and why.
func (e *FormatError) Error() string {
	if e.Tensor != "" {
		return fmt.Sprintf("safetensors: tensor %q: %s", e.Tensor, e.Reason)
	}
	return fmt.Sprintf("safetensors: offset %d: %s", e.Offset, e.Reason)
}

// UnsupportedError reports a tensor that the format allows and this package
// cannot hold.
type UnsupportedError struct {
	Tensor string
	Reason string
}

// Error returns which tensor and why.
func (e *UnsupportedError) Error() string {
	return fmt.Sprintf("safetensors: tensor %q: %s is not supported", e.Tensor, e.Reason)
}

// storage says how a dtype of the format is held: in which type, and in how
// many bytes a value lies in the file.
type storage struct {
	dtype tensor.DType
	bytes uint64
	widen func(uint16) float32 // not nil for binary16
}

var storages = map[string]storage{
	"F64":  {tensor.F64, 8, nil},
	"F32":  {tensor.F32, 4, nil},
	"F16":  {tensor.F32, 2, widenHalf},
	"BF16": {tensor.BF16, 2, nil},
	"I64":  {tensor.I64, 8, nil},
	"I32":  {tensor.I32, 4, nil},
	"I8":   {tensor.I8, 1, nil},
	"U8":   {tensor.U8, 1, nil},
}

// known are the format's other dtypes, for the difference between an
// UnsupportedError and a FormatError.
var known = map[string]bool{
	"BOOL": true, "I16": true, "U16": true, "U32": true, "U64": true, "C64": true,
	"F8_E5M2": true, "F8_E4M3": true, "F8_E8M0": true, "F8_E4M3FNUZ": true, "F8_E5M2FNUZ": true,
	"F4": true, "F6_E2M3": true, "F6_E3M2": true,
}

func dtypeName(d tensor.DType) (string, bool) {
	switch d {
	case tensor.F64:
		return "F64", true
	case tensor.F32:
		return "F32", true
	case tensor.BF16:
		return "BF16", true
	case tensor.I64:
		return "I64", true
	case tensor.I32:
		return "I32", true
	case tensor.I8:
		return "I8", true
	case tensor.U8:
		return "U8", true
	}
	return "", false
}

// widenHalf returns an IEEE 754 binary16 value as binary32, exactly; a NaN
// keeps its payload.
func widenHalf(h uint16) float32 {
	sign := uint32(h>>15) << 31
	exp := uint32(h>>10) & 0x1f
	frac := uint32(h) & 0x3ff
	switch exp {
	case 0: // zero and subnormal: frac * 2^-24, exact in float32
		return math.Float32frombits(sign | math.Float32bits(float32(frac)*0x1p-24))
	case 0x1f:
		return math.Float32frombits(sign | 0xff<<23 | frac<<13)
	}
	return math.Float32frombits(sign | (exp+127-15)<<23 | frac<<13)
}
