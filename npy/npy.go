// Package npy reads and writes NumPy's array files, .npy and .npz, as
// [tensor.Tensor] values.
//
// Element types: f4, f8, i1, u1, i4 and i8, little-endian, and b1 (bool), which
// becomes uint8. Column-major ("fortran_order") arrays are transposed to row
// major on reading. Every number of a header is checked against what is left of
// the file before anything is allocated.
//
// Format: https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html
package npy

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/goqat/goqat/tensor"
)

// ErrFormat is wrapped by every error that says that the bytes are not an array
// file, or not one that this package reads.
var ErrFormat = errors.New("not a readable NumPy file")

// ErrDType is wrapped by every error about an element type that a tensor does
// not have, or that is big-endian. It is also an [ErrFormat].
var ErrDType = fmt.Errorf("%w: element type", ErrFormat)

// Read reads one array from r and leaves r after its last byte. Its memory grows
// with the bytes that really arrive, not with what the header declares.
func Read(r io.Reader) (*tensor.Tensor, error) {
	h, err := readHeader(r)
	if err != nil {
		return nil, err
	}
	return readBody(r, h, -1)
}

// Decode reads one array that fills b exactly.
func Decode(b []byte) (*tensor.Tensor, error) {
	return readExactly(bytes.NewReader(b), int64(len(b)))
}

// ReadFile reads the array file at path, which must hold one array and nothing
// after it.
func ReadFile(path string) (*tensor.Tensor, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("npy: %w", err)
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("npy: %w", err)
	}
	if !st.Mode().IsRegular() {
		return nil, fmt.Errorf("npy: %s: not a regular file", path)
	}
	t, err := readExactly(bufio.NewReader(f), st.Size())
	if err != nil {
		return nil, fmt.Errorf("%w (in %s)", err, path)
	}
	return t, nil
}

// readExactly reads an array from r, which is known to hold size bytes.
func readExactly(r io.Reader, size int64) (*tensor.Tensor, error) {
	h, err := readHeader(r)
	if err != nil {
		return nil, err
	}
	left := size - int64(h.length)
	if need := int64(h.bytes()); need != left {
		return nil, fmt.Errorf("npy: %w: %v needs %d bytes, the file has %d after its header",
			ErrFormat, h.spec(), need, left)
	}
	return readBody(r, h, left)
}

// Write writes t to w in format version 1.0, row major. A [tensor.B1] tensor is
// refused: NumPy has no packed bits.
func Write(w io.Writer, t *tensor.Tensor) error {
	h, err := formatHeader(t.Spec())
	if err != nil {
		return err
	}
	if _, err := w.Write(h); err != nil {
		return fmt.Errorf("npy: writing header: %w", err)
	}
	if err := writeBody(w, t); err != nil {
		return fmt.Errorf("npy: writing %v: %w", t.Spec(), err)
	}
	return nil
}

// WriteFile writes t to path through a temporary file beside it, so that path
// holds the whole array or what it held before.
func WriteFile(path string, t *tensor.Tensor) error {
	return writeAtomically(path, func(w io.Writer) error { return Write(w, t) })
}

func writeAtomically(path string, write func(io.Writer) error) (err error) {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return fmt.Errorf("npy: %w", err)
	}
	defer func() {
		if err != nil {
			f.Close()
			os.Remove(f.Name())
		}
	}()
	bw := bufio.NewWriterSize(f, 1<<16)
	if err = write(bw); err != nil {
		return err
	}
	if err = bw.Flush(); err != nil {
		return fmt.Errorf("npy: %w", err)
	}
	// CreateTemp makes 0600; give the mode of an ordinary new file.
	if err = f.Chmod(0o644); err != nil {
		return fmt.Errorf("npy: %w", err)
	}
	if err = f.Close(); err != nil {
		return fmt.Errorf("npy: %w", err)
	}
	if err = os.Rename(f.Name(), path); err != nil {
		return fmt.Errorf("npy: %w", err)
	}
	return nil
}
