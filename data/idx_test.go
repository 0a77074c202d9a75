package data

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/goqat/goqat/tensor"
)

// idx encodes an array of bytes.
func idx(data []byte, dims ...uint32) []byte {
	b := []byte{0, 0, idxByte, byte(len(dims))}
	for _, d := range dims {
		b = binary.BigEndian.AppendUint32(b, d)
	}
	return append(b, data...)
}

func zipped(t testing.TB, b []byte) []byte {
	t.Helper()
	var buf bytes.Buffer
	z := gzip.NewWriter(&buf)
	_, err := z.Write(b)
	require.NoError(t, err)
	require.NoError(t, z.Close())
	return buf.Bytes()
}

func TestIDX(t *testing.T) {
	pix := make([]byte, 5*2*3)
	for i := range pix {
		pix[i] = byte(i)
	}
	dir := t.TempDir()
	images, labels := filepath.Join(dir, "i"), filepath.Join(dir, "l")
	for _, gz := range []bool{false, true} {
		a, b := idx(pix, 5, 2, 3), idx([]byte{0, 1, 2, 1, 0}, 5)
		if gz {
			a, b = zipped(t, a), zipped(t, b)
		}
		require.NoError(t, os.WriteFile(images, a, 0o600))
		require.NoError(t, os.WriteFile(labels, b, 0o600))
		s, err := Open(t.Context(), "idx:"+images+","+labels, Options{})
		require.NoError(t, err)
		assert.Equal(t, tensor.Shape{2, 3, 1}, s.Train.Shape())
		assert.Equal(t, 3, s.Train.Classes())
		assert.Equal(t, 5, s.Train.Len()+s.Val.Len())
	}
	_, err := Open(t.Context(), "idx:"+labels+","+images, Options{})
	checkOneLine(t, err, ErrData, "swapped")
	require.NoError(t, os.WriteFile(labels, idx([]byte{0}, 1), 0o600))
	_, err = Open(t.Context(), "idx:"+images+","+labels, Options{})
	checkOneLine(t, err, ErrData, "1 labels for the 5 images")
	_, err = Open(t.Context(), "idx:"+images+","+dir, Options{})
	checkOneLine(t, err, ErrData, "regular")
}

func TestIDXRefused(t *testing.T) {
	good := idx([]byte{1, 2, 3, 4}, 2, 2)
	damaged := zipped(t, good)
	damaged[len(damaged)-5] ^= 1
	for name, c := range map[string]struct {
		file []byte
		says string
	}{
		"empty":         {nil, "no IDX header"},
		"magic":         {[]byte("\x89PNG\r\n"), "not an IDX file"},
		"type":          {[]byte{0, 0, 0x0d, 1, 0, 0, 0, 0}, "0x0d"},
		"rank 0":        {[]byte{0, 0, 8, 0}, "rank 0"},
		"rank 9":        {[]byte{0, 0, 8, 9}, "rank 9"},
		"cut header":    {good[:7], "cut"},
		"zero":          {idx(nil, 0), "is 0"},
		"cut body":      {good[:len(good)-1], "larger than the file"},
		"long body":     {append(bytes.Clone(good), 0), "bytes after"},
		"huge":          {idx(nil, 1<<31, 1<<31), "larger than the file"},
		"wrapping":      {idx(nil, 1<<31, 1<<31, 4, 4), "larger than the file"},
		"gzip cut body": {zipped(t, idx([]byte{1}, 2)), "the file is cut"},
		"gzip long":     {zipped(t, append(bytes.Clone(good), 0)), "bytes after"},
		"gzip huge":     {zipped(t, idx(nil, 1<<30)), "larger than the file"},
		"gzip checksum": {damaged, "checksum"},
		"gzip cut":      {zipped(t, good)[:12], "EOF"},
	} {
		_, err := decodeIDX(bytes.NewReader(c.file), int64(len(c.file)))
		require.Error(t, err, name)
		assert.ErrorContains(t, err, c.says, name)
	}
}

// TestPublishedFiles reads the real files and compares means with the constants
// that everyone uses, and sizes and checksums with those that downloads check.
func TestPublishedFiles(t *testing.T) {
	if testing.Short() {
		t.Skip("unpacks 110 MB")
	}
	for _, c := range []*idxCollection{&fashionMNIST, &mnist} {
		dir := shared(t, "data", c.name)
		for _, f := range c.files[trainLabels:] { // the training images take a second each
			z, err := os.Open(filepath.Join(dir, f.name+".gz"))
			require.NoError(t, err)
			require.NoError(t, verify(z, f))
			require.NoError(t, z.Close())
		}
		s, err := Open(t.Context(), c.name+":"+dir, Options{Normalize: true, Offline: true})
		require.NoError(t, err)
		assert.Equal(t, 60000, s.Train.Len())
		assert.Equal(t, 10000, s.Val.Len())
		assert.Equal(t, tensor.Shape{28, 28, 1}, s.Train.Shape())
		assert.Len(t, s.Train.ClassNames(), 10)
		assert.Equal(t, []float32{c.mean}, s.Mean)
		assert.Equal(t, []float32{c.std}, s.Std)

		p, ok := s.Train.(*pixels)
		require.True(t, ok)
		// An odd step: MNIST alternates between two groups of writers.
		index := make([]int32, p.Len()/7)
		for i := range index {
			index[i] = int32(7 * i)
		}
		mean, std := p.stats(index)
		assert.InDelta(t, c.mean, mean[0], 2e-3)
		assert.InDelta(t, c.std, std[0], 2e-3)
		x := make([]float32, 784)
		_, err = s.Train.Sample(0, x)
		require.NoError(t, err)
		for j, v := range x {
			require.Equal(t, (float32(p.pix[j])/255-c.mean)/c.std, v)
		}
	}
}

func FuzzIDX(f *testing.F) {
	f.Add(idx([]byte{1, 2, 3, 4}, 2, 2))
	f.Add(zipped(f, idx([]byte{1, 2, 3, 4, 5, 6}, 1, 2, 3)))
	f.Add(idx(nil, 1<<31, 1<<31))
	f.Fuzz(func(t *testing.T, b []byte) {
		a, err := decodeIDX(bytes.NewReader(b), int64(len(b)))
		if err != nil {
			return
		}
		require.Equal(t, a.shape.Numel(), len(a.data))
		dims := make([]uint32, len(a.shape))
		for i, d := range a.shape {
			dims[i] = uint32(d)
		}
		c := idx(a.data, dims...)
		again, err := decodeIDX(bytes.NewReader(c), int64(len(c)))
		require.NoError(t, err)
		require.Equal(t, a, again)
	})
}
