package data

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/goqat/goqat/tensor"
)

// The IDX format (LeCun, Cortes, Burges, "The MNIST database"): two zero bytes,
// a type, the rank, each dimension as a big-endian uint32, then the elements.
const (
	idxByte    = 0x08
	maxIDXRank = 4
	// gzipRatio is how much deflate can expand at most, by its format.
	gzipRatio = 1032
	maxIDX    = 1<<31 - 1
)

// idxArray is an array of bytes from an IDX file.
type idxArray struct {
	shape tensor.Shape
	data  []byte
}

// readIDX reads an IDX file, gzipped or not.
func readIDX(path string) (idxArray, error) {
	f, err := os.Open(path)
	if err != nil {
		return idxArray{}, fmt.Errorf("data: %w", err)
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return idxArray{}, fmt.Errorf("data: %w", err)
	}
	if !st.Mode().IsRegular() {
		return idxArray{}, badData(path, "not a regular file")
	}
	a, err := decodeIDX(f, st.Size())
	if err != nil {
		return idxArray{}, badData(path, "%w", err)
	}
	return a, nil
}

// decodeIDX reads an IDX file of size bytes from r, which ends with the array.
func decodeIDX(r io.Reader, size int64) (idxArray, error) {
	br := bufio.NewReader(r)
	most := size
	if m, err := br.Peek(2); err == nil && m[0] == 0x1f && m[1] == 0x8b {
		z, err := gzip.NewReader(br)
		if err != nil {
			return idxArray{}, err
		}
		r, most = z, size*gzipRatio
	} else {
		r = br
	}
	shape, err := idxHeader(r, most)
	if err != nil {
		return idxArray{}, err
	}
	n := int64(shape.Numel())
	// The buffer grows with what arrives: a declared size costs nothing.
	var b bytes.Buffer
	if most == size {
		b.Grow(int(n) + bytes.MinRead)
	}
	switch got, err := io.Copy(&b, io.LimitReader(r, n+1)); {
	case err != nil:
		return idxArray{}, fmt.Errorf("after %d of %d elements: %w", got, n, err)
	case got < n:
		return idxArray{}, fmt.Errorf("%v needs %d bytes after the header, there are %d: the file is cut", shape, n, got)
	case got > n:
		return idxArray{}, fmt.Errorf("there are bytes after the %d that %v needs", n, shape)
	}
	return idxArray{shape, slices.Clip(b.Bytes())}, nil
}

// idxHeader reads the header; the array may have at most most bytes with it.
func idxHeader(r io.Reader, most int64) (tensor.Shape, error) {
	var h [4]byte
	if _, err := io.ReadFull(r, h[:]); err != nil {
		return nil, fmt.Errorf("no IDX header: %w", err)
	}
	switch {
	case h[0] != 0 || h[1] != 0:
		return nil, fmt.Errorf("not an IDX file: it starts with %02x%02x, not with 0000", h[0], h[1])
	case h[2] != idxByte:
		return nil, fmt.Errorf("IDX element type 0x%02x; only bytes (0x08) are read", h[2])
	case h[3] == 0 || h[3] > maxIDXRank:
		return nil, fmt.Errorf("IDX rank %d is not between 1 and %d", h[3], maxIDXRank)
	}
	most = min(most-int64(4+4*int(h[3])), maxIDX)
	shape := make(tensor.Shape, h[3])
	n := int64(1)
	for i := range shape {
		var d [4]byte
		if _, err := io.ReadFull(r, d[:]); err != nil {
			return nil, fmt.Errorf("the IDX header is cut: %w", err)
		}
		v := int64(binary.BigEndian.Uint32(d[:]))
		if v == 0 {
			return nil, errors.New("an IDX dimension is 0")
		}
		if n > most/v {
			return nil, fmt.Errorf("dimension %d of %d makes the array larger than the file can hold", i, v)
		}
		n *= v
		shape[i] = int(v)
	}
	return shape, nil
}

// imagesOf joins images of shape [n, ...] and labels of shape [n].
func imagesOf(images, labels idxArray, imagePath, labelPath string) (*pixels, error) {
	if len(images.shape) < 2 {
		return nil, badData(imagePath, "shape %v is not that of images; are the two files swapped?", images.shape)
	}
	if len(labels.shape) != 1 {
		return nil, badData(labelPath, "shape %v is not that of labels; are the two files swapped?", labels.shape)
	}
	if images.shape[0] != labels.shape[0] {
		return nil, badData(labelPath, "%d labels for the %d images of %s", labels.shape[0], images.shape[0], imagePath)
	}
	m := meta{shape: images.shape[1:].Clone()}
	if len(m.shape) == 2 {
		m.shape = append(m.shape, 1)
	}
	y := make([]int32, len(labels.data))
	for i, v := range labels.data {
		y[i] = int32(v)
	}
	m.classes = int(slices.Max(y)) + 1
	return newPixels(m, images.data, y), nil
}

func openImagesIDX(images, labels string) (*pixels, error) {
	x, err := readIDX(images)
	if err != nil {
		return nil, err
	}
	y, err := readIDX(labels)
	if err != nil {
		return nil, err
	}
	return imagesOf(x, y, images, labels)
}

func openIDX(_ context.Context, arg string, opt *Options) (*Splits, error) {
	images, labels, ok := strings.Cut(arg, ",")
	if !ok || images == "" || labels == "" {
		return nil, fmt.Errorf("data: %w %q: write it as in %s", ErrSpec, "idx:"+arg, formOf("idx"))
	}
	p, err := openImagesIDX(images, labels)
	if err != nil {
		return nil, err
	}
	return splitOne(p, p.labels, images, opt)
}
