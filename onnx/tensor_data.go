package onnx

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"

	"github.com/goqat/goqat/onnx/internal/pb"
	"github.com/goqat/goqat/tensor"
	"google.golang.org/protobuf/encoding/protowire"
)

var bigEndian = binary.NativeEndian.Uint16([]byte{0, 1}) == 1

// storage says how an element type of a file is stored in raw_data and in the
// typed fields, and what it becomes.
type storage struct {
	to    tensor.DType
	bytes int // in raw_data
	field protowire.Number
	// value converts the bits of an element to a float32, for types that
	// goqat does not have.
	value func(bits uint64) float32
}

var storages = map[pb.DataType]storage{
	pb.Float:    {to: tensor.F32, bytes: 4, field: pb.FloatData},
	pb.Int8:     {to: tensor.I8, bytes: 1, field: pb.Int32Data},
	pb.Uint8:    {to: tensor.U8, bytes: 1, field: pb.Int32Data},
	pb.Bool:     {to: tensor.U8, bytes: 1, field: pb.Int32Data},
	pb.Int32:    {to: tensor.I32, bytes: 4, field: pb.Int32Data},
	pb.Int64:    {to: tensor.I64, bytes: 8, field: pb.Int64Data},
	pb.Float16:  {to: tensor.F32, bytes: 2, field: pb.Int32Data, value: func(b uint64) float32 { return float16(uint16(b)) }},
	pb.BFloat16: {to: tensor.F32, bytes: 2, field: pb.Int32Data, value: func(b uint64) float32 { return math.Float32frombits(uint32(b) << 16) }},
	pb.Double:   {to: tensor.F32, bytes: 8, field: pb.DoubleData, value: func(b uint64) float32 { return float32(math.Float64frombits(b)) }},
}

// elementType returns what goqat makes of an element type of a file.
func elementType(d pb.DataType) (tensor.DType, error) {
	s, ok := storages[d]
	if !ok || d == pb.Bool {
		return tensor.Invalid, unsupportedf("element type %v (%d)", d, int32(d))
	}
	return s.to, nil
}

// float16 returns the value of an IEEE 754 half.
func float16(h uint16) float32 {
	sign, exp, frac := uint32(h>>15)<<31, uint32(h>>10&31), uint32(h&0x3ff)
	switch exp {
	case 0:
		v := float32(frac) * 0x1p-24
		return math.Float32frombits(math.Float32bits(v) | sign)
	case 31:
		return math.Float32frombits(sign | 0x7f800000 | frac<<13)
	}
	return math.Float32frombits(sign | (exp+112)<<23 | frac<<13)
}

// shapeOf checks the dimensions of a tensor in a file.
func shapeOf(dims []int64) (tensor.Shape, error) {
	if len(dims) > tensor.MaxRank {
		return nil, unsupportedf("rank %d is over %d", len(dims), tensor.MaxRank)
	}
	s := make(tensor.Shape, len(dims))
	for i, d := range dims {
		if d < 0 || d > math.MaxInt32 {
			return nil, formatf("dimension %d", d)
		}
		s[i] = int(d)
	}
	if err := s.Check(); err != nil {
		return nil, formatf("%v", err)
	}
	return s, nil
}

// decode returns the contents of a tensor of the file.
func (r *reader) decode(t *pb.Tensor) (*tensor.Tensor, error) {
	st, ok := storages[t.Type]
	if !ok {
		return nil, unsupportedf("tensor %q: element type %v (%d)", t.Name, t.Type, int32(t.Type))
	}
	shape, err := shapeOf(t.Dims)
	if err != nil {
		return nil, fmt.Errorf("tensor %q: %w", t.Name, err)
	}
	if t.Segmented {
		return nil, unsupportedf("tensor %q is in segments", t.Name)
	}
	spec := tensor.Spec{DType: st.to, Shape: shape}
	n := shape.Numel()
	sources := 0
	for _, given := range []bool{t.HasRaw && len(t.Raw) > 0, t.Typed(), t.Location == 1} {
		if given {
			sources++
		}
	}
	switch {
	case sources > 1:
		return nil, formatf("tensor %q has its data in %d places", t.Name, sources)
	case t.Location != 0 && t.Location != 1:
		return nil, formatf("tensor %q has data_location %d", t.Name, t.Location)
	case t.Location == 1:
		return r.decodeExternal(t, st, spec)
	case t.Typed():
		return r.decodeTyped(t, st, spec)
	}
	if len(t.Raw)/st.bytes != n || len(t.Raw)%st.bytes != 0 {
		return nil, formatf("tensor %q %v%v has %d bytes of data", t.Name, t.Type, shape, len(t.Raw))
	}
	return r.decodeRaw(t.Raw, st, spec)
}

// decodeRaw converts little-endian elements; raw has as many as spec.
func (r *reader) decodeRaw(raw []byte, st storage, spec tensor.Spec) (*tensor.Tensor, error) {
	out, err := r.alloc(spec)
	if err != nil {
		return nil, err
	}
	if st.value == nil {
		copy(out.Bytes(), raw)
		if bigEndian {
			swap(out.Bytes(), st.bytes)
		}
		return out, nil
	}
	f := out.F32()
	for i := range f {
		var bits uint64
		switch st.bytes {
		case 2:
			bits = uint64(binary.LittleEndian.Uint16(raw[2*i:]))
		default:
			bits = binary.LittleEndian.Uint64(raw[8*i:])
		}
		f[i] = st.value(bits)
	}
	return out, nil
}

// swap reverses the bytes of each element.
func swap(b []byte, width int) {
	for ; width > 1 && len(b) >= width; b = b[width:] {
		slices.Reverse(b[:width])
	}
}

func (r *reader) decodeTyped(t *pb.Tensor, st storage, spec tensor.Spec) (*tensor.Tensor, error) {
	n, err := t.Count(st.field)
	if err != nil {
		return nil, formatf("tensor %q: %v", t.Name, err)
	}
	if n != spec.Numel() {
		return nil, formatf("tensor %q %v%v has %d values", t.Name, t.Type, spec.Shape, n)
	}
	out, err := r.alloc(spec)
	if err != nil {
		return nil, err
	}
	i := 0
	var set func(bits uint64)
	switch f := out.F32(); {
	case st.value != nil:
		set = func(b uint64) { f[i] = st.value(b); i++ }
	case f != nil:
		set = func(b uint64) { f[i] = math.Float32frombits(uint32(b)); i++ }
	case spec.DType == tensor.I64:
		d := out.I64()
		set = func(b uint64) { d[i] = int64(b); i++ }
	case spec.DType == tensor.I32:
		d := out.I32()
		set = func(b uint64) { d[i] = int32(b); i++ }
	default:
		d := out.Bytes()
		set = func(b uint64) { d[i] = byte(b); i++ }
	}
	return out, t.Each(st.field, set)
}

// alloc returns a new tensor, charged to the budget of the file.
func (r *reader) alloc(s tensor.Spec) (*tensor.Tensor, error) {
	if err := s.Shape.Check(); err != nil {
		return nil, formatf("%v", err)
	}
	if r.budget -= int64(s.Bytes()); r.budget < 0 {
		return nil, unsupportedf("constants take much more memory than the file is large (ReadOptions.Memory)")
	}
	return tensor.New(s), nil
}

// permute returns t with dimension i of the result being dimension perm[i].
func permute(t, out *tensor.Tensor, perm []int) {
	size := t.DType().Bytes(1)
	if n := len(perm); n == 0 || slices.IsSorted(perm) || t.Numel() == 0 {
		copy(out.Bytes(), t.Bytes())
		return
	}
	strides := t.Shape().Strides()
	src, dst := t.Bytes(), out.Bytes()
	dims := out.Shape()
	last := len(dims) - 1
	step := strides[perm[last]] * size
	index := make([]int, len(dims))
	for at := 0; at < len(dst); {
		off := 0
		for i, x := range index {
			off += x * strides[perm[i]]
		}
		off *= size
		for range dims[last] {
			copy(dst[at:at+size], src[off:off+size])
			at += size
			off += step
		}
		for i := last - 1; i >= 0; i-- {
			if index[i]++; index[i] < dims[i] {
				break
			}
			index[i] = 0
		}
	}
}
