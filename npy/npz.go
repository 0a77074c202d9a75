package npy

import (
	"archive/zip"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/goqat/goqat/tensor"
)

// ErrNoArray is wrapped when an archive has no array of the asked name.
var ErrNoArray = errors.New("no such array")

// Archive is an open .npz file: a zip file with one .npy entry an array, stored
// or deflated. Its methods may be called from several goroutines.
type Archive struct {
	names []string
	files map[string]*zip.File
	f     io.Closer
}

// Named is an array and its name in an archive.
type Named struct {
	Name   string
	Tensor *tensor.Tensor
}

// Open opens the archive at path; the caller closes it.
func Open(path string) (*Archive, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("npy: %w", err)
	}
	a, err := openFile(f)
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("%w (in %s)", err, path)
	}
	return a, nil
}

func openFile(f *os.File) (*Archive, error) {
	st, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("npy: %w", err)
	}
	if !st.Mode().IsRegular() {
		return nil, errors.New("npy: not a regular file")
	}
	a, err := NewArchive(f, st.Size())
	if err != nil {
		return nil, err
	}
	a.f = f
	return a, nil
}

// NewArchive reads the directory of the archive that r holds in size bytes. It
// refuses duplicate names, and entries that together are larger than the file:
// they overlap, as in a zip bomb.
func NewArchive(r io.ReaderAt, size int64) (*Archive, error) {
	z, err := zip.NewReader(r, size)
	if err != nil {
		return nil, fmt.Errorf("npy: %w: %w", ErrFormat, err)
	}
	a := &Archive{files: map[string]*zip.File{}}
	left := uint64(size)
	for _, f := range z.File {
		if f.CompressedSize64 > left {
			return nil, fmt.Errorf("npy: %w: entries are larger than the file, at %q", ErrFormat, f.Name)
		}
		left -= f.CompressedSize64
		name, ok := strings.CutSuffix(f.Name, ".npy")
		if !ok {
			continue
		}
		if a.files[name] != nil {
			return nil, fmt.Errorf("npy: %w: array %q is there twice", ErrFormat, name)
		}
		a.files[name] = f
		a.names = append(a.names, name)
	}
	return a, nil
}

// Names returns the names of the arrays in the order of the file, without the
// suffix ".npy".
func (a *Archive) Names() []string { return slices.Clone(a.names) }

// Has reports whether there is an array called name.
func (a *Archive) Has(name string) bool { return a.files[name] != nil }

// Read reads the array called name and checks its CRC-32.
func (a *Archive) Read(name string) (*tensor.Tensor, error) {
	f := a.files[name]
	if f == nil {
		return nil, fmt.Errorf("npy: %w: %q; there are %s", ErrNoArray, name, strings.Join(a.names, ", "))
	}
	t, err := readEntry(f)
	if err != nil {
		return nil, fmt.Errorf("%w (array %q)", err, name)
	}
	return t, nil
}

func readEntry(f *zip.File) (*tensor.Tensor, error) {
	r, err := f.Open()
	if err != nil {
		return nil, fmt.Errorf("npy: %w: %w", ErrFormat, err)
	}
	defer r.Close()
	h, err := readHeader(r)
	if err != nil {
		return nil, err
	}
	if want := uint64(h.length) + uint64(h.bytes()); want != f.UncompressedSize64 {
		return nil, fmt.Errorf("npy: %w: %v makes %d bytes, the entry has %d",
			ErrFormat, h.spec(), want, f.UncompressedSize64)
	}
	// The declared size of a deflated entry is not to be trusted; a stored one
	// is bounded by the file already.
	left := int64(-1)
	if f.Method == zip.Store && f.UncompressedSize64 == f.CompressedSize64 {
		left = int64(h.bytes())
	}
	t, err := readBody(r, h, left)
	if err != nil {
		return nil, err
	}
	// Reading to the end makes archive/zip compare the checksum.
	var one [1]byte
	switch _, err := io.ReadFull(r, one[:]); {
	case err == nil:
		return nil, fmt.Errorf("npy: %w: the entry is longer than its directory says", ErrFormat)
	case !errors.Is(err, io.EOF):
		return nil, fmt.Errorf("npy: %w: %w", ErrFormat, err)
	}
	return t, nil
}

// Close closes the file of an archive from [Open].
func (a *Archive) Close() error {
	if a.f == nil {
		return nil
	}
	f := a.f
	a.f = nil
	if err := f.Close(); err != nil {
		return fmt.Errorf("npy: %w", err)
	}
	return nil
}

// ReadNPZ reads every array of the archive at path.
func ReadNPZ(path string) (map[string]*tensor.Tensor, error) {
	a, err := Open(path)
	if err != nil {
		return nil, err
	}
	defer a.Close()
	m := make(map[string]*tensor.Tensor, len(a.names))
	for _, n := range a.names {
		if m[n], err = a.Read(n); err != nil {
			return nil, fmt.Errorf("%w (in %s)", err, path)
		}
	}
	return m, nil
}

// Writer writes an archive to a stream. The same arrays give the same bytes.
type Writer struct {
	z      *zip.Writer
	method uint16
	seen   map[string]bool
}

// NewWriter returns a Writer whose entries are deflated if compress is set, and
// stored if not.
func NewWriter(w io.Writer, compress bool) *Writer {
	m := zip.Store
	if compress {
		m = zip.Deflate
	}
	return &Writer{zip.NewWriter(w), m, map[string]bool{}}
}

// Add writes t as the array called name, which must not be empty or used.
func (w *Writer) Add(name string, t *tensor.Tensor) error {
	if name == "" || w.seen[name] {
		return fmt.Errorf("npy: array name %q is empty or used twice", name)
	}
	w.seen[name] = true
	e, err := w.z.CreateHeader(&zip.FileHeader{Name: name + ".npy", Method: w.method})
	if err != nil {
		return fmt.Errorf("npy: array %q: %w", name, err)
	}
	if err := Write(e, t); err != nil {
		return fmt.Errorf("%w (array %q)", err, name)
	}
	return nil
}

// Close writes the directory; it does not close the stream.
func (w *Writer) Close() error {
	if err := w.z.Close(); err != nil {
		return fmt.Errorf("npy: %w", err)
	}
	return nil
}

// WriteNPZ writes the arrays to path in their order, through a temporary file
// beside it.
func WriteNPZ(path string, compress bool, arrays ...Named) error {
	return writeAtomically(path, func(w io.Writer) error {
		z := NewWriter(w, compress)
		for _, a := range arrays {
			if err := z.Add(a.Name, a.Tensor); err != nil {
				return err
			}
		}
		return z.Close()
	})
}
