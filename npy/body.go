package npy

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/goqat/goqat/tensor"
)

// bigEndianHost says that tensor bytes are not in the order of the file.
var bigEndianHost = binary.NativeEndian.Uint16([]byte{1, 0}) != 1

// chunk is how many bytes are taken on trust at a time from a stream of unknown
// length.
const chunk = 1 << 20

// readBody reads the elements that h describes. left is the number of bytes
// known to follow, or negative when unknown.
func readBody(r io.Reader, h header, left int64) (*tensor.Tensor, error) {
	n := h.bytes()
	if left >= 0 && int64(n) > left {
		return nil, cut(h, left, io.ErrUnexpectedEOF)
	}
	var t *tensor.Tensor
	if left >= 0 || n <= chunk {
		t = tensor.New(h.spec())
		if got, err := io.ReadFull(r, t.Bytes()); err != nil {
			return nil, cut(h, int64(got), err)
		}
	} else {
		b, err := readGrowing(r, n)
		if err != nil {
			return nil, cut(h, int64(len(b)), err)
		}
		t = tensor.New(h.spec())
		copy(t.Bytes(), b)
	}
	if h.isBool {
		if i := slices.IndexFunc(t.Bytes(), func(b byte) bool { return b > 1 }); i >= 0 {
			return nil, fmt.Errorf("npy: %w: bool element %d is %d", ErrFormat, i, t.Bytes()[i])
		}
	}
	if bigEndianHost {
		swap(t.Bytes(), h.dtype.Bytes(1))
	}
	if h.fortran && len(h.shape) > 1 {
		t = fromColumnMajor(t)
	}
	return t, nil
}

func cut(h header, got int64, err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("npy: %w: %v needs %d bytes, got %d: %w",
			ErrFormat, h.spec(), h.bytes(), got, io.ErrUnexpectedEOF)
	}
	return fmt.Errorf("npy: reading %v: %w", h.spec(), err)
}

// readGrowing reads n bytes; it never holds more than twice what has arrived
// plus one chunk. On an error it returns what it has.
func readGrowing(r io.Reader, n int) ([]byte, error) {
	var b []byte
	for len(b) < n {
		step := min(n-len(b), max(chunk, len(b)/2))
		off := len(b)
		b = slices.Grow(b, step)[:off+step]
		got, err := io.ReadFull(r, b[off:])
		if err != nil {
			return b[:off+got], err
		}
	}
	return b, nil
}

// swap reverses the bytes of every element of the given size in place.
func swap(b []byte, size int) {
	if size < 2 {
		return
	}
	for i := 0; i+size <= len(b); i += size {
		slices.Reverse(b[i : i+size])
	}
}

// fromColumnMajor returns t, whose bytes are in column-major order, row major.
func fromColumnMajor(t *tensor.Tensor) *tensor.Tensor {
	out := tensor.New(t.Spec())
	shape, size := t.Shape(), t.DType().Bytes(1)
	// Column-major strides: the first index moves by one element.
	stride := make([]int, len(shape))
	n := 1
	for i, d := range shape {
		stride[i] = n
		n *= d
	}
	idx := make([]int, len(shape))
	src, from := t.Bytes(), 0
	for dst := out.Bytes(); len(dst) > 0; dst = dst[size:] {
		copy(dst[:size], src[from*size:])
		for k := len(shape) - 1; k >= 0; k-- {
			idx[k]++
			from += stride[k]
			if idx[k] < shape[k] {
				break
			}
			from -= stride[k] * shape[k]
			idx[k] = 0
		}
	}
	return out
}

func writeBody(w io.Writer, t *tensor.Tensor) error {
	b := t.Bytes()
	if bigEndianHost {
		b = slices.Clone(b)
		swap(b, t.DType().Bytes(1))
	}
	_, err := w.Write(b)
	return err
}
