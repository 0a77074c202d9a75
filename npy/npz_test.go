package npy

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/goqat/goqat/tensor"
)

func archive(t testing.TB, compress bool, arrays ...Named) []byte {
	t.Helper()
	var b bytes.Buffer
	w := NewWriter(&b, compress)
	for _, a := range arrays {
		require.NoError(t, w.Add(a.Name, a.Tensor))
	}
	require.NoError(t, w.Close())
	return b.Bytes()
}

func named() []Named {
	var n []Named
	for i, x := range samples() {
		n = append(n, Named{string(rune('z' - i)), x})
	}
	return n
}

func TestNPZRoundTrip(t *testing.T) {
	for _, compress := range []bool{false, true} {
		path := filepath.Join(t.TempDir(), "a.npz")
		require.NoError(t, WriteNPZ(path, compress, named()...))
		a, err := Open(path)
		require.NoError(t, err)
		var names []string
		for _, n := range named() {
			names = append(names, n.Name)
			x, err := a.Read(n.Name)
			require.NoError(t, err)
			requireSame(t, n.Tensor, x)
		}
		assert.Equal(t, names, a.Names(), "order of the file")
		assert.True(t, a.Has("z"))
		_, err = a.Read("nope")
		require.ErrorIs(t, err, ErrNoArray)
		require.NoError(t, a.Close())
		require.NoError(t, a.Close())

		m, err := ReadNPZ(path)
		require.NoError(t, err)
		assert.Len(t, m, len(names))

		first, err := os.ReadFile(path)
		require.NoError(t, err)
		assert.Equal(t, first, archive(t, compress, named()...), "same arrays, same bytes")
	}
}

func TestNPZNames(t *testing.T) {
	w := NewWriter(&bytes.Buffer{}, false)
	x := tensor.FromI8([]int8{1}, 1)
	require.NoError(t, w.Add("a", x))
	require.Error(t, w.Add("a", x))
	require.Error(t, w.Add("", x))
}

// TestNPZBitFlips flips each bit of an archive: an array that is still read is
// the one that was written, or has other bytes of the header, never of the data.
func TestNPZBitFlips(t *testing.T) {
	x := tensor.FromI32([]int32{3, 1, 4, 1, 5}, 5)
	for _, compress := range []bool{false, true} {
		b := archive(t, compress, Named{"x", x})
		for i := range 8 * len(b) {
			c := bytes.Clone(b)
			c[i/8] ^= 1 << (i % 8)
			a, err := NewArchive(bytes.NewReader(c), int64(len(c)))
			if err != nil || !a.Has("x") {
				continue
			}
			y, err := a.Read("x")
			if err == nil {
				requireSame(t, x, y)
			}
		}
	}
}

func TestNPZRefused(t *testing.T) {
	_, err := NewArchive(bytes.NewReader([]byte("PK")), 2)
	require.ErrorIs(t, err, ErrFormat)

	entry := func(z *zip.Writer, name string, method uint16, body []byte) {
		w, err := z.CreateHeader(&zip.FileHeader{Name: name, Method: method})
		require.NoError(t, err)
		_, err = w.Write(body)
		require.NoError(t, err)
	}
	x := encode(t, tensor.FromI8([]int8{1, 2, 3}, 3))
	build := func(f func(z *zip.Writer)) []byte {
		var b bytes.Buffer
		z := zip.NewWriter(&b)
		f(z)
		require.NoError(t, z.Close())
		return b.Bytes()
	}
	read := func(b []byte) error {
		a, err := NewArchive(bytes.NewReader(b), int64(len(b)))
		if err == nil {
			_, err = a.Read("x")
		}
		return err
	}

	twice := build(func(z *zip.Writer) {
		entry(z, "x.npy", zip.Store, x)
		entry(z, "x.npy", zip.Store, x)
	})
	require.ErrorContains(t, read(twice), "twice")
	long := build(func(z *zip.Writer) { entry(z, "x.npy", zip.Deflate, append(bytes.Clone(x), 0)) })
	require.ErrorContains(t, read(long), "the entry has")
	note := build(func(z *zip.Writer) { entry(z, "x.txt", zip.Store, []byte("hello")) })
	require.ErrorIs(t, read(note), ErrNoArray)

	// A deflated entry that declares 8 TB, in its header and in the directory.
	bomb := build(func(z *zip.Writer) {
		entry(z, "x.npy", zip.Deflate, file("{'descr': '<f8', 'fortran_order': False, 'shape': (1000000000000,), }"))
	})
	i := bytes.LastIndex(bomb, []byte("PK\x01\x02"))
	binary.LittleEndian.PutUint32(bomb[i+24:], 0xfffffff0)
	require.ErrorIs(t, read(bomb), ErrFormat)

	// Two directory records that point at the same bytes.
	one := build(func(z *zip.Writer) { entry(z, "x.npy", zip.Store, encode(t, tensor.New(tensor.Of(tensor.U8, 4096)))) })
	d := bytes.LastIndex(one, []byte("PK\x01\x02"))
	e := bytes.LastIndex(one, []byte("PK\x05\x06"))
	second := bytes.Clone(one[d:e])
	second[46] = 'y'
	var over []byte
	over = append(append(append(over, one[:e]...), second...), one[e:]...)
	end := over[len(over)-22:]
	binary.LittleEndian.PutUint16(end[8:], 2)
	binary.LittleEndian.PutUint16(end[10:], 2)
	binary.LittleEndian.PutUint32(end[12:], uint32(2*(e-d)))
	require.ErrorContains(t, read(over), "larger than the file")
}

// TestVectors reads archives written by NumPy.
func TestVectors(t *testing.T) {
	dir := filepath.Join("..", "..", "shared", "vectors")
	if _, err := os.Stat(dir); err != nil {
		t.Skip("no ../shared/vectors beside the repository")
	}
	fq, err := ReadNPZ(filepath.Join(dir, "fakequant_torch-2.15.0.npz"))
	require.NoError(t, err)
	assert.Len(t, fq, 916+324+98+48+48)
	require.Equal(t, tensor.F32, fq["pt0.x"].DType())
	require.Equal(t, tensor.U8, fq["pt0.mask"].DType())
	x, y, mask := fq["pt0.x"].F32(), fq["pt0.y"].F32(), fq["pt0.mask"].U8()
	require.Equal(t, len(x), len(y))
	require.Equal(t, len(x), len(mask))

	gguf, err := ReadNPZ(filepath.Join(dir, "gguf_quants-0.19.0.npz"))
	require.NoError(t, err)
	assert.Len(t, gguf, 53)
	assert.Equal(t, tensor.U8, gguf["Q4_0.q"].DType())
}

func FuzzNPZ(f *testing.F) {
	for _, compress := range []bool{false, true} {
		f.Add(archive(f, compress, Named{"x", tensor.FromI8([]int8{1, 2, 3}, 3)}))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		a, err := NewArchive(bytes.NewReader(b), int64(len(b)))
		if err != nil {
			return
		}
		for _, n := range a.Names() {
			x, err := a.Read(n)
			if err != nil || n == "" {
				continue
			}
			c := archive(t, false, Named{n, x})
			again, err := NewArchive(bytes.NewReader(c), int64(len(c)))
			require.NoError(t, err)
			y, err := again.Read(n)
			require.NoError(t, err)
			requireSame(t, x, y)
		}
	})
}
