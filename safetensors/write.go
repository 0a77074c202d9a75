package safetensors

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"unicode/utf8"

	"github.com/goqat/goqat/internal/durable"
)

// Write writes the tensors in the given order, with the metadata's keys
// sorted: equal arguments give equal bytes, and for one metadata key at most
// the bytes are those of the Rust and Python library given the same order. Nil
// metadata is left out. Names and metadata are UTF-8, names differ, and the
// types are F32, F64, I8, U8, I32 and I64; all this is checked before the first
// byte is written.
func Write(w io.Writer, tensors []Named, metadata map[string]string) error {
	head, err := encodeHeader(tensors, metadata)
	if err != nil {
		return err
	}
	if _, err := w.Write(head); err != nil {
		return fmt.Errorf("safetensors: write header: %w", err)
	}
	for _, t := range tensors {
		b := t.Tensor.Bytes()
		if bigEndian {
			b = slices.Clone(b)
			swap(b, t.Tensor.DType().Bytes(1))
		}
		if _, err := w.Write(b); err != nil {
			return fmt.Errorf("safetensors: write tensor %q: %w", t.Name, err)
		}
	}
	return nil
}

// WriteFile writes the file at path; an old file is replaced only by a whole
// new one. See [Write].
func WriteFile(ctx context.Context, path string, tensors []Named, metadata map[string]string) error {
	return durable.WriteFile(ctx, durable.OS{}, path, func(w io.Writer) error {
		return Write(w, tensors, metadata)
	})
}

// encodeHeader returns the length, the header and its padding to eight bytes.
func encodeHeader(tensors []Named, metadata map[string]string) ([]byte, error) {
	if len(tensors) > MaxTensors || len(metadata) > MaxTensors {
		return nil, fmt.Errorf("safetensors: %d tensors and %d metadata entries, at most %d", len(tensors), len(metadata), MaxTensors)
	}
	b := make([]byte, headerBase, 1024)
	b = append(b, '{')
	if metadata != nil {
		b = append(b, `"`+metadataKey+`":{`...)
		for i, k := range slices.Sorted(maps.Keys(metadata)) {
			if !utf8.ValidString(k) || !utf8.ValidString(metadata[k]) {
				return nil, fmt.Errorf("safetensors: metadata %q is not UTF-8", k)
			}
			b = comma(b, i)
			b = appendText(b, k)
			b = append(b, ':')
			b = appendText(b, metadata[k])
		}
		b = append(b, '}')
	}
	seen := make(map[string]bool, len(tensors))
	at := int64(0)
	for i, t := range tensors {
		switch {
		case t.Name == metadataKey || !utf8.ValidString(t.Name):
			return nil, fmt.Errorf("safetensors: %q cannot be a tensor's name", t.Name)
		case seen[t.Name]:
			return nil, fmt.Errorf("safetensors: tensor %q twice", t.Name)
		case t.Tensor == nil:
			return nil, fmt.Errorf("safetensors: tensor %q is nil", t.Name)
		}
		seen[t.Name] = true
		dtype, ok := dtypeName(t.Tensor.DType())
		if !ok {
			return nil, &UnsupportedError{t.Name, t.Tensor.DType().String()}
		}
		if metadata != nil || i > 0 {
			b = append(b, ',')
		}
		b = appendText(b, t.Name)
		b = append(b, `:{"dtype":"`+dtype+`","shape":[`...)
		for j, d := range t.Tensor.Shape() {
			b = comma(b, j)
			b = strconv.AppendInt(b, int64(d), 10)
		}
		b = append(b, `],"data_offsets":[`...)
		b = strconv.AppendInt(b, at, 10)
		b = append(b, ',')
		at += int64(len(t.Tensor.Bytes()))
		b = strconv.AppendInt(b, at, 10)
		b = append(b, `]}`...)
	}
	b = append(b, '}')
	for len(b)%8 != 0 {
		b = append(b, ' ')
	}
	if len(b)-headerBase > MaxHeader {
		return nil, fmt.Errorf("safetensors: header of %d bytes is over %d", len(b)-headerBase, MaxHeader)
	}
	binary.LittleEndian.PutUint64(b, uint64(len(b)-headerBase))
	return b, nil
}

func comma(b []byte, i int) []byte {
	if i > 0 {
		b = append(b, ',')
	}
	return b
}
