package onnx

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"

	"github.com/goqat/goqat/onnx/internal/pb"
	"github.com/goqat/goqat/tensor"
)

// span is a part of an external file that a tensor has taken.
type span struct{ begin, end int64 }

// decodeExternal reads a tensor from a file beside the model. The file must
// be a regular one inside the folder, with one name, and the tensor's bytes
// inside the file and no other tensor's.
func (r *reader) decodeExternal(t *pb.Tensor, st storage, spec tensor.Spec) (*tensor.Tensor, error) {
	bad := func(format string, a ...any) error {
		return formatf("external data of tensor %q: "+format, append([]any{t.Name}, a...)...)
	}
	var location string
	var offset, length int64 = 0, -1
	seen := map[string]bool{}
	for _, e := range t.External {
		if seen[e.Key] {
			return nil, bad("%s is given twice", e.Key)
		}
		seen[e.Key] = true
		var err error
		switch e.Key {
		case "location":
			location = e.Value
		case "offset":
			offset, err = strconv.ParseInt(e.Value, 10, 64)
		case "length":
			length, err = strconv.ParseInt(e.Value, 10, 64)
			if length < 0 && err == nil {
				err = errors.New("negative")
			}
		}
		if err != nil {
			return nil, bad("%s %q", e.Key, e.Value)
		}
	}
	if location == "" || !filepath.IsLocal(filepath.FromSlash(location)) {
		return nil, bad("location %q is not a path inside the model's folder", location)
	}
	if r.o.Dir == "" {
		return nil, fmt.Errorf("onnx: tensor %q is in the file %q: ReadOptions.Dir says where to look: %w", t.Name, location, ErrUnsupported)
	}
	f, size, err := r.openExternal(filepath.FromSlash(location))
	if err != nil {
		return nil, bad("%v", err)
	}
	// The bytes of the shape do not overflow: shapeOf checked it.
	n := int64(spec.Numel()) * int64(st.bytes)
	if length < 0 {
		length = n
	}
	switch {
	case offset < 0 || offset > size || length > size-offset:
		return nil, bad("%d bytes at %d of a file of %d", length, offset, size)
	case length != n:
		return nil, bad("%d bytes for %v%v", length, t.Type, spec.Shape)
	}
	for _, s := range r.taken[location] {
		if offset < s.end && s.begin < offset+length {
			return nil, bad("bytes %d to %d overlap another tensor's", offset, offset+length)
		}
	}
	r.taken[location] = append(r.taken[location], span{offset, offset + length})
	r.budget += budgetFactor * length
	raw := make([]byte, length)
	if _, err := f.ReadAt(raw, offset); err != nil && !(errors.Is(err, io.EOF) && length == 0) {
		return nil, bad("%v", err)
	}
	return r.decodeRaw(raw, st, spec)
}

// openExternal opens a file of the model's folder; os.Root keeps symbolic
// links from leading out of it.
func (r *reader) openExternal(name string) (*os.File, int64, error) {
	if r.root == nil {
		root, err := os.OpenRoot(r.o.Dir)
		if err != nil {
			return nil, 0, err
		}
		r.root = root
	}
	if f := r.files[name]; f != nil {
		info, err := f.Stat()
		if err != nil {
			return nil, 0, err
		}
		return f, info.Size(), nil
	}
	// Asked before opening: opening a pipe would wait for its writer.
	info, err := r.root.Stat(name)
	if err != nil {
		return nil, 0, err
	}
	if !info.Mode().IsRegular() {
		return nil, 0, fmt.Errorf("%s is not a regular file", name)
	}
	f, err := r.root.Open(name)
	if err != nil {
		return nil, 0, err
	}
	r.files[name] = f
	if info, err = f.Stat(); err != nil {
		return nil, 0, err
	}
	if !info.Mode().IsRegular() || links(info) > 1 {
		return nil, 0, fmt.Errorf("%s is not a regular file with a single name", name)
	}
	return f, info.Size(), nil
}

// close closes what openExternal opened.
func (r *reader) close() {
	for _, f := range r.files {
		_ = f.Close() // Only read from.
	}
	if r.root != nil {
		_ = r.root.Close()
	}
}
