package safetensors

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"math/bits"
	"os"
	"slices"

	"github.com/goqat/goqat/tensor"
)

// bigEndian is true on a host whose tensors must be swapped on the way.
var bigEndian = binary.NativeEndian.Uint16([]byte{0, 1}) == 1

// Read reads the file of size bytes in r. F16 tensors become float32, exactly.
// It reads every byte of the file once, in order. Errors are a
// [*FormatError], an [*UnsupportedError], or r's own.
func Read(r io.ReaderAt, size int64) (*File, error) {
	h, err := readHeader(r, size)
	if err != nil {
		return nil, err
	}
	f := &File{Metadata: h.metadata, Tensors: make(map[string]*tensor.Tensor, len(h.tensors))}
	for _, l := range h.tensors {
		t := tensor.New(l.spec)
		if err := l.read(r, h.base, t); err != nil {
			return nil, fmt.Errorf("safetensors: tensor %q: %w", l.name, err)
		}
		f.Names = append(f.Names, l.name)
		f.Tensors[l.name] = t
	}
	return f, nil
}

// ReadMetadata reads and checks the header alone and returns its metadata.
func ReadMetadata(r io.ReaderAt, size int64) (map[string]string, error) {
	h, err := readHeader(r, size)
	if err != nil {
		return nil, err
	}
	return h.metadata, nil
}

// ReadFile reads the file at path. See [Read].
func ReadFile(path string) (f *File, err error) {
	r, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("safetensors: %w", err)
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	info, err := r.Stat()
	if err != nil {
		return nil, fmt.Errorf("safetensors: %w", err)
	}
	return Read(r, info.Size())
}

// header is a checked header: every tensor lies inside the file.
type header struct {
	metadata map[string]string
	base     int64 // of the data
	tensors  []located
}

// located is a tensor with its place in the data.
type located struct {
	name       string
	spec       tensor.Spec
	store      storage
	begin, end int64
}

func readHeader(r io.ReaderAt, size int64) (*header, error) {
	var length [headerBase]byte
	if size < headerBase {
		return nil, &FormatError{Reason: fmt.Sprintf("file of %d bytes has no header", size)}
	}
	if err := readFull(r, length[:], 0); err != nil {
		return nil, fmt.Errorf("safetensors: header length: %w", err)
	}
	n := binary.LittleEndian.Uint64(length[:])
	if n > MaxHeader {
		return nil, &FormatError{Reason: fmt.Sprintf("header of %d bytes is over %d", n, MaxHeader)}
	}
	if n > uint64(size-headerBase) {
		return nil, &FormatError{Reason: fmt.Sprintf("header of %d bytes in a file of %d", n, size)}
	}
	text := make([]byte, n)
	if err := readFull(r, text, headerBase); err != nil {
		return nil, fmt.Errorf("safetensors: header: %w", err)
	}
	meta, entries, err := parseHeader(string(text))
	if err != nil {
		return nil, err
	}
	h := &header{metadata: meta, base: headerBase + int64(n)}
	h.tensors, err = locate(entries, uint64(size-h.base))
	return h, err
}

// locate checks the tensors against the data's length and sorts them by place.
func locate(entries []entry, length uint64) ([]located, error) {
	// An empty tensor comes before the one that begins at the same place.
	slices.SortStableFunc(entries, func(a, b entry) int {
		return cmp.Or(cmp.Compare(a.begin, b.begin), cmp.Compare(a.end, b.end))
	})
	out := make([]located, 0, len(entries))
	var at uint64
	for _, e := range entries {
		bad := func(format string, args ...any) error {
			return &FormatError{Tensor: e.name, Reason: fmt.Sprintf(format, args...)}
		}
		if e.begin != at {
			return nil, bad("data begins at %d, where the one before ends at %d", e.begin, at)
		}
		if e.end < e.begin || e.end > length {
			return nil, bad("data from %d to %d of %d bytes", e.begin, e.end, length)
		}
		st, ok := storages[e.dtype]
		switch {
		case !ok && known[e.dtype]:
			return nil, &UnsupportedError{e.name, "dtype " + e.dtype}
		case !ok:
			return nil, bad("unknown dtype %q", e.dtype)
		case len(e.shape) > tensor.MaxRank:
			return nil, &UnsupportedError{e.name, fmt.Sprintf("rank %d", len(e.shape))}
		}
		spec, bytes, err := specOf(st, e.shape)
		if err != nil {
			return nil, bad("%v", err)
		}
		if bytes != e.end-e.begin {
			return nil, bad("%s%d takes %d bytes, data_offsets give %d", e.dtype, e.shape, bytes, e.end-e.begin)
		}
		out = append(out, located{e.name, spec, st, int64(e.begin), int64(e.end)})
		at = e.end
	}
	if at != length {
		return nil, &FormatError{Offset: int64(at), Reason: fmt.Sprintf("the tensors cover %d of %d bytes of data", at, length)}
	}
	return out, nil
}

// specOf returns the tensor's spec and its size in the file in bytes.
func specOf(st storage, dims []uint64) (tensor.Spec, uint64, error) {
	bytes := st.bytes
	var shape tensor.Shape
	for _, d := range dims {
		hi, lo := bits.Mul64(bytes, d)
		if hi != 0 || d > math.MaxInt {
			return tensor.Spec{}, 0, fmt.Errorf("shape %d is too large", dims)
		}
		bytes = lo
		shape = append(shape, int(d))
	}
	// Binary16 takes twice its room in memory.
	if bytes > math.MaxInt/2 {
		return tensor.Spec{}, 0, fmt.Errorf("shape %d is too large", dims)
	}
	return tensor.Spec{DType: st.dtype, Shape: shape}, bytes, shape.Check()
}

// read fills t from the data that starts at base.
func (l *located) read(r io.ReaderAt, base int64, t *tensor.Tensor) error {
	if l.store.widen != nil {
		return l.readWide(r, base, t.F32())
	}
	if err := readFull(r, t.Bytes(), base+l.begin); err != nil {
		return err
	}
	if bigEndian {
		swap(t.Bytes(), int(l.store.bytes))
	}
	return nil
}

func (l *located) readWide(r io.ReaderAt, base int64, dst []float32) error {
	var buf [32 << 10]byte
	for at := l.begin; at < l.end; {
		n := min(l.end-at, int64(len(buf)))
		if err := readFull(r, buf[:n], base+at); err != nil {
			return err
		}
		for i := range n / 2 {
			dst[i] = l.store.widen(binary.LittleEndian.Uint16(buf[2*i:]))
		}
		dst = dst[n/2:]
		at += n
	}
	return nil
}

// readFull reads all of p; the end of the file before that is an error. No
// read is made for no bytes.
func readFull(r io.ReaderAt, p []byte, off int64) error {
	if len(p) == 0 {
		return nil
	}
	n, err := r.ReadAt(p, off)
	switch {
	case n == len(p):
		return nil
	case err == nil || errors.Is(err, io.EOF):
		return io.ErrUnexpectedEOF
	}
	return err
}

// swap reverses the bytes of each value of the given width.
func swap(b []byte, width int) {
	for ; width > 1 && len(b) >= width; b = b[width:] {
		slices.Reverse(b[:width])
	}
}
