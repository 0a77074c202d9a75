package npy

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/goqat/goqat/tensor"
)

// samples returns one tensor of every type that can be written, with ranks from
// 0 to 8 and empty dimensions.
func samples() []*tensor.Tensor {
	return []*tensor.Tensor{
		tensor.FromF32([]float32{math.MaxFloat32}),
		tensor.FromF32([]float32{0, -1.5, float32(math.Inf(1)), float32(math.NaN()), math.SmallestNonzeroFloat32, 7}, 2, 3),
		tensor.FromF64([]float64{math.Pi, -math.MaxFloat64}, 2, 1),
		tensor.FromI8([]int8{-128, 0, 127}, 3),
		tensor.FromU8([]uint8{0, 255}, 1, 1, 1, 1, 1, 1, 1, 2),
		tensor.FromI32([]int32{math.MinInt32, math.MaxInt32, 1, 2}, 2, 2),
		tensor.FromI64([]int64{math.MinInt64, math.MaxInt64}, 1, 2, 1),
		tensor.FromF32(nil, 0, 5),
	}
}

func encode(t testing.TB, x *tensor.Tensor) []byte {
	t.Helper()
	var b bytes.Buffer
	require.NoError(t, Write(&b, x))
	return b.Bytes()
}

func requireSame(t testing.TB, want, got *tensor.Tensor) {
	t.Helper()
	require.True(t, want.Spec().Equal(got.Spec()), "%v, want %v", got.Spec(), want.Spec())
	require.Equal(t, want.Bytes(), got.Bytes())
}

func TestRoundTrip(t *testing.T) {
	for _, x := range samples() {
		t.Run(x.String(), func(t *testing.T) {
			b := encode(t, x)
			assert.Zero(t, (len(b)-x.Spec().Bytes())%64, "elements must start at a multiple of 64")

			y, err := Decode(b)
			require.NoError(t, err)
			requireSame(t, x, y)

			r := bytes.NewReader(append(bytes.Clone(b), "rest"...))
			y, err = Read(iotest.OneByteReader(r))
			require.NoError(t, err)
			requireSame(t, x, y)
			rest, _ := io.ReadAll(r)
			assert.Equal(t, "rest", string(rest), "Read must stop after the array")

			path := filepath.Join(t.TempDir(), "a.npy")
			require.NoError(t, WriteFile(path, x))
			y, err = ReadFile(path)
			require.NoError(t, err)
			requireSame(t, x, y)
		})
	}
}

// TestHeaderBytes compares with the bytes that NumPy 2.5 writes.
func TestHeaderBytes(t *testing.T) {
	for shape, text := range map[string]string{
		"":    "{'descr': '<i4', 'fortran_order': False, 'shape': (), }",
		"3":   "{'descr': '<i4', 'fortran_order': False, 'shape': (3,), }",
		"2 3": "{'descr': '<i4', 'fortran_order': False, 'shape': (2, 3), }",
	} {
		var dims []int
		for _, f := range strings.Fields(shape) {
			dims = append(dims, int(f[0]-'0'))
		}
		b := encode(t, tensor.New(tensor.Of(tensor.I32, dims...)))
		want := "\x93NUMPY\x01\x00v\x00" + text + strings.Repeat(" ", 117-len(text)) + "\n"
		assert.Equal(t, want, string(b[:128]))
	}
}

// TestFortranFromNumPy reads np.asfortranarray(np.arange(24).reshape(2, 3, 4)).
func TestFortranFromNumPy(t *testing.T) {
	b, err := base64.StdEncoding.DecodeString("k05VTVBZAQB2AHsnZGVzY3InOiAnPGk0JywgJ2ZvcnRyYW5fb3JkZXInOiBUcnVlLCAnc2hhcGUnOiAoMiwgMywgNCksIH0gICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgIAoAAAAADAAAAAQAAAAQAAAACAAAABQAAAABAAAADQAAAAUAAAARAAAACQAAABUAAAACAAAADgAAAAYAAAASAAAACgAAABYAAAADAAAADwAAAAcAAAATAAAACwAAABcAAAA=")
	require.NoError(t, err)
	x, err := Decode(b)
	require.NoError(t, err)
	require.Equal(t, tensor.Shape{2, 3, 4}, x.Shape())
	for i, v := range x.I32() {
		require.EqualValues(t, i, v)
	}
}

// file builds a version 1.0 file with the given header text.
func file(text string, body ...byte) []byte {
	b := append([]byte(magic), 1, 0, byte(len(text)), byte(len(text)>>8))
	return append(append(b, text...), body...)
}

func TestAcceptedHeaders(t *testing.T) {
	v1 := file("{'descr': '|i1', 'fortran_order': False, 'shape': (3,), }", 0, 1, 2)
	v3 := append([]byte("\x93NUMPY\x03\x00"), v1[8], v1[9], 0, 0)
	v3 = append(v3, v1[10:]...)
	for name, b := range map[string][]byte{
		"version 3":         v3,
		"order and spacing": file("{\"shape\":(3 , ),'fortran_order' : True,'descr':'<i1'}  \n", 0, 1, 2),
	} {
		x, err := Decode(b)
		require.NoError(t, err, name)
		assert.Equal(t, []int8{0, 1, 2}, x.I8(), name)
	}
	x, err := Decode(file("{'descr': '|b1', 'fortran_order': False, 'shape': (2,), }", 1, 0))
	require.NoError(t, err)
	assert.Equal(t, []uint8{1, 0}, x.U8(), "bool becomes uint8")
}

func TestRefused(t *testing.T) {
	const tail = "'fortran_order': False, 'shape': (1,), }"
	for name, c := range map[string]struct {
		file []byte
		says string
		is   error
	}{
		"empty":              {nil, "preamble", ErrFormat},
		"magic":              {[]byte("\x93NUMPZ\x01\x00v\x00{}"), "NUMPY", ErrFormat},
		"version":            {[]byte("\x93NUMPY\x04\x00v\x00{}"), "version 4.0", ErrFormat},
		"header beyond file": {[]byte("\x93NUMPY\x01\x00\xff\xff{}"), "cut", ErrFormat},
		"huge header":        {[]byte("\x93NUMPY\x02\x00\xff\xff\xff\xff{}"), "over", ErrFormat},
		"big-endian":         {file("{'descr': '>f4', "+tail, 0, 0, 0, 0), "big-endian", ErrDType},
		"half":               {file("{'descr': '<f2', "+tail, 0, 0), "astype", ErrDType},
		"bfloat16":           {file("{'descr': '<V2', "+tail, 0, 0), "V2", ErrDType},
		"object":             {file("{'descr': '|O', "+tail, 0, 0), "|O", ErrDType},
		"structured":         {file("{'descr': [('a', '<f4')], "+tail, 0, 0, 0, 0), "structured", ErrDType},
		"duplicate key":      {file("{'descr': '|i1', 'descr': '|u1', "+tail, 0), "twice", ErrFormat},
		"missing key":        {file("{'descr': '|i1', 'shape': (1,), }", 0), "fortran_order", ErrFormat},
		"unknown key":        {file("{'descr': '|i1', 'x': 1, "+tail, 0), "unknown key", ErrFormat},
		"negative":           {file("{'descr': '|i1', 'fortran_order': False, 'shape': (-1,), }", 0), "dimension", ErrFormat},
		"not a tuple":        {file("{'descr': '|i1', 'fortran_order': False, 'shape': (1), }", 0), "tuple", ErrFormat},
		"rank 9":             {file("{'descr': '|i1', 'fortran_order': False, 'shape': (1,1,1,1,1,1,1,1,1), }", 0), "rank", ErrFormat},
		"wrapped product":    {file("{'descr': '<f8', 'fortran_order': False, 'shape': (4294967296, 4294967296, 2), }"), "too many", ErrFormat},
		"dimension overflow": {file("{'descr': '<f8', 'fortran_order': False, 'shape': (99999999999999999999,), }"), "dimension", ErrFormat},
		"terabytes":          {file("{'descr': '<f8', 'fortran_order': False, 'shape': (1000000000000,), }", 1, 2), "needs 8000000000000", ErrFormat},
		"body too short":     {file("{'descr': '<i4', "+tail, 0, 0, 0), "needs 4 bytes", ErrFormat},
		"body too long":      {file("{'descr': '<i4', "+tail, 0, 0, 0, 0, 0), "has 5", ErrFormat},
		"bool of 2":          {file("{'descr': '|b1', "+tail, 2), "is 2", ErrFormat},
		"code after":         {file("{'descr': '|i1', "+tail+" + f()", 0), "after the dictionary", ErrFormat},
		"no quotes":          {file("{descr: '|i1', "+tail, 0), "no string", ErrFormat},
	} {
		_, err := Decode(c.file)
		require.ErrorIs(t, err, c.is, name)
		require.ErrorIs(t, err, ErrFormat, name)
		assert.ErrorContains(t, err, c.says, name)
		assert.NotContains(t, err.Error(), "\n", name)
	}
	_, err := formatHeader(tensor.Of(tensor.B1, 8))
	require.ErrorIs(t, err, ErrDType)
}

// TestStreamAllocatesWhatArrives feeds a header of 8 TB and 3 MiB of data.
func TestStreamAllocatesWhatArrives(t *testing.T) {
	h := file("{'descr': '<f8', 'fortran_order': False, 'shape': (1000000000000,), }")
	_, err := Read(io.MultiReader(bytes.NewReader(h), bytes.NewReader(make([]byte, 3<<20))))
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)

	x := tensor.New(tensor.Of(tensor.I32, 1000, 3, 331))
	for i := range x.I32() {
		x.I32()[i] = int32(i * 7)
	}
	y, err := Read(iotest.HalfReader(bytes.NewReader(encode(t, x))))
	require.NoError(t, err)
	requireSame(t, x, y)

	boom := errors.New("boom")
	_, err = Read(io.MultiReader(bytes.NewReader(h), iotest.ErrReader(boom)))
	require.ErrorIs(t, err, boom)
	assert.NotErrorIs(t, err, ErrFormat)
}

func TestSwap(t *testing.T) {
	b := []byte{1, 2, 3, 4, 5, 6, 7, 8}
	swap(b, 4)
	assert.Equal(t, []byte{4, 3, 2, 1, 8, 7, 6, 5}, b)
	swap(b, 1)
	assert.Equal(t, []byte{4, 3, 2, 1, 8, 7, 6, 5}, b)
}

// TestWriteFileKeepsOldFile makes the write fail: the old file stays and no
// temporary one is left.
func TestWriteFileKeepsOldFile(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "a.npy")
	x := tensor.FromI8([]int8{1, 2}, 2)
	require.NoError(t, WriteFile(path, x))
	require.ErrorIs(t, WriteFile(path, tensor.New(tensor.Of(tensor.B1, 9))), ErrDType)
	y, err := ReadFile(path)
	require.NoError(t, err)
	requireSame(t, x, y)
	ents, err := os.ReadDir(dir)
	require.NoError(t, err)
	assert.Len(t, ents, 1)

	_, err = ReadFile(dir)
	require.Error(t, err)
	_, err = ReadFile(filepath.Join(dir, "none.npy"))
	require.ErrorIs(t, err, os.ErrNotExist)
	require.Error(t, WriteFile(filepath.Join(dir, "none", "a.npy"), x))
}

func FuzzRead(f *testing.F) {
	for _, x := range samples() {
		f.Add(encode(f, x))
	}
	f.Add(file("{'descr': '|b1', 'fortran_order': True, 'shape': (2, 2), }", 1, 0, 0, 1))
	f.Add(file("{'descr': '<f8', 'fortran_order': False, 'shape': (1000000000000,), }", 1, 2))
	f.Fuzz(func(t *testing.T, b []byte) {
		x, err := Decode(b)
		y, err2 := Read(bytes.NewReader(b))
		if err != nil {
			return
		}
		require.NoError(t, err2)
		requireSame(t, x, y)
		z, err := Decode(encode(t, x))
		require.NoError(t, err)
		requireSame(t, x, z)
	})
}

func ExampleWrite() {
	var b bytes.Buffer
	if err := Write(&b, tensor.FromF32([]float32{1, 2, 3, 4}, 2, 2)); err != nil {
		fmt.Println(err)
		return
	}
	x, err := Read(&b)
	fmt.Println(x, x.F32(), err)
	// Output: float32[2, 2] [1 2 3 4] <nil>
}
