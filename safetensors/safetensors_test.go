package safetensors

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/goqat/goqat/tensor"
)

// build returns a file with the given header text and data.
func build(header, data string) []byte {
	b := binary.LittleEndian.AppendUint64(nil, uint64(len(header)))
	return append(append(b, header...), data...)
}

func read(b []byte) (*File, error) { return Read(bytes.NewReader(b), int64(len(b))) }

func encode(t testing.TB, tensors []Named, meta map[string]string) []byte {
	t.Helper()
	var b bytes.Buffer
	require.NoError(t, Write(&b, tensors, meta))
	return b.Bytes()
}

func sample() ([]Named, map[string]string) {
	return []Named{
			{"u8", tensor.FromU8([]uint8{1, 2, 255}, 3)},
			{"f64", tensor.FromF64([]float64{math.Pi, math.Inf(-1)}, 2, 1)},
			{"empty", tensor.FromF32(nil, 3, 0)},
			{"f32", tensor.FromF32([]float32{1, -0.5, math.SmallestNonzeroFloat32, float32(math.NaN())}, 2, 2)},
			{"", tensor.FromI8([]int8{-128, 127}, 2)},
			{"i32", tensor.FromI32([]int32{math.MinInt32}, 1, 1, 1)},
			{"bf16", tensor.FromBF16([]tensor.BFloat16{0x3f80, 0x7fc1, 1}, 3)},
			{"i64", tensor.FromI64([]int64{math.MaxInt64})},
			{"a \"\\\u0001/é😀\n", tensor.FromU8([]uint8{9}, 1)},
		}, map[string]string{
			"":        "empty key",
			"k\t\"\\": "\b\f\n\r\u0000\u001f\u007f\u2028 é 😀",
			"json":    `{"a":[1,2]}`,
		}
}

func TestWriteReadWriteGivesTheSameBytes(t *testing.T) {
	tensors, meta := sample()
	b := encode(t, tensors, meta)
	f, err := read(b)
	require.NoError(t, err)
	assert.Equal(t, meta, f.Metadata)
	require.Len(t, f.Names, len(tensors))
	for i, want := range tensors {
		assert.Equal(t, want.Name, f.Names[i])
		got := f.Tensors[want.Name]
		assert.True(t, got.Spec().Equal(want.Tensor.Spec()), "%s: %v", want.Name, got)
		assert.Equal(t, want.Tensor.Bytes(), got.Bytes(), want.Name)
	}
	assert.Equal(t, b, encode(t, f.List(), f.Metadata))

	empty := encode(t, nil, nil)
	assert.Equal(t, build("{}      ", ""), empty)
	f, err = read(empty)
	require.NoError(t, err)
	assert.Nil(t, f.Metadata)
	assert.Empty(t, f.Names)
}

// The files are written by the reference library, see testdata/make.py.
func TestFilesOfTheReferenceLibrary(t *testing.T) {
	path := filepath.Join("testdata", "library.safetensors")
	want, err := os.ReadFile(path)
	require.NoError(t, err)
	f, err := ReadFile(path)
	require.NoError(t, err)
	assert.Equal(t, []string{"i64", "f64", "empty", "f32", "scalar", "i32", "über/\"w\"\n", "u8"}, f.Names)
	assert.Equal(t, map[string]string{`note "quoted"`: "tab\there, é, 😀, \u0001"}, f.Metadata)
	assert.Equal(t, []float64{0.1, -1e300, 5e-324}, f.Tensors["f64"].F64())
	assert.Equal(t, []int64{math.MinInt64, math.MaxInt64}, f.Tensors["i64"].I64())
	assert.Equal(t, []float32{0, 1. / 3, 2. / 3, 1, 4. / 3, 5. / 3}, f.Tensors["f32"].F32())
	assert.Equal(t, []float32{2.5}, f.Tensors["scalar"].F32())
	assert.Empty(t, f.Tensors["scalar"].Shape())
	assert.Equal(t, tensor.Shape{2, 1, 1}, f.Tensors["i32"].Shape())
	assert.Equal(t, tensor.Shape{0, 4}, f.Tensors["empty"].Shape())
	assert.Equal(t, []int8{-128, -1, 127}, f.Tensors["über/\"w\"\n"].I8())
	assert.Equal(t, want, encode(t, f.List(), f.Metadata), "our bytes are the library's")

	f, err = ReadFile(filepath.Join("testdata", "library16.safetensors"))
	require.NoError(t, err)
	assert.Equal(t, tensor.F32, f.Tensors["half"].DType())
	assert.Equal(t, f.Tensors["half.wide"].Bytes(), f.Tensors["half"].Bytes())
	brain := f.Tensors["brain"]
	assert.Equal(t, tensor.BF16, brain.DType())
	wide := tensor.New(f.Tensors["brain.wide"].Spec())
	tensor.WidenBF16(wide.F32(), brain.BF16())
	assert.Equal(t, f.Tensors["brain.wide"].Bytes(), wide.Bytes())
	_, err = ReadFile(filepath.Join("testdata", "none"))
	assert.ErrorIs(t, err, os.ErrNotExist)
}

func TestWidenHalfIsExact(t *testing.T) {
	for h := range 1 << 16 {
		got := widenHalf(uint16(h))
		exp, frac := h>>10&0x1f, float64(h&0x3ff)
		var want float64
		switch {
		case exp == 0x1f && frac == 0:
			want = math.Inf(1)
		case exp == 0x1f:
			if got == got || math.Float32bits(got)>>13&0x3ff != uint32(h&0x3ff) {
				t.Fatalf("NaN %#x became %#x", h, math.Float32bits(got))
			}
			continue
		case exp == 0:
			want = math.Ldexp(frac, -24)
		default:
			want = math.Ldexp(1024+frac, exp-25)
		}
		if h>>15 == 1 {
			want = math.Copysign(want, -1)
		}
		if math.Float32bits(float32(want)) != math.Float32bits(got) {
			t.Fatalf("%#x became %g, want %g", h, got, want)
		}
	}
}

func TestLargeHalfTensorCrossesTheBuffer(t *testing.T) {
	const n = 16<<10*3 + 7
	data := make([]byte, 2*n)
	for i := range n {
		binary.LittleEndian.PutUint16(data[2*i:], uint16(i)&0x7bff)
	}
	f, err := read(build(fmt.Sprintf(`{"h":{"dtype":"F16","shape":[%d],"data_offsets":[0,%d]}}`, n, 2*n), string(data)))
	require.NoError(t, err)
	for i, v := range f.Tensors["h"].F32() {
		if v != widenHalf(uint16(i)&0x7bff) {
			t.Fatalf("value %d is %g", i, v)
		}
	}
}

// tensorJSON is a header member that is right for four bytes at [0, 4).
const tensorJSON = `{"dtype":"F32","shape":[1],"data_offsets":[0,4]}`

func TestReadRefuses(t *testing.T) {
	two := func(a, b string) string {
		return fmt.Sprintf(`{"a":{"dtype":"U8","shape":[4],"data_offsets":[%s]},"b":{"dtype":"U8","shape":[4],"data_offsets":[%s]}}`, a, b)
	}
	one := func(dtype, shape, offsets string) string {
		return fmt.Sprintf(`{"w":{"dtype":%q,"shape":[%s],"data_offsets":[%s]}}`, dtype, shape, offsets)
	}
	long := func(n int) string { return strings.Repeat("x", n) }
	cases := map[string]struct {
		header string
		data   int
		reason string
	}{
		"empty header":              {``, 0, "does not begin"},
		"leading space":             {` {}`, 0, "does not begin"},
		"array":                     {`[]`, 0, "does not begin"},
		"open object":               {`{`, 0, "want"},
		"trailing comma":            {`{"a":` + tensorJSON + `,}`, 4, "want"},
		"text after":                {`{} x`, 0, "after the end"},
		"zero bytes after":          {"{}\x00", 0, "after the end"},
		"name twice":                {`{"a":` + tensorJSON + `,"a":` + tensorJSON + `}`, 4, "twice"},
		"name twice by escape":      {`{"a":` + tensorJSON + `,"\u0061":` + tensorJSON + `}`, 4, "twice"},
		"metadata twice":            {`{"__metadata__":{},"__metadata__":{}}`, 0, "twice"},
		"metadata key twice":        {`{"__metadata__":{"k":"1","k":"2"}}`, 0, "twice"},
		"metadata null":             {`{"__metadata__":null}`, 0, "want"},
		"metadata number":           {`{"__metadata__":{"k":1}}`, 0, "want"},
		"metadata nested":           {`{"__metadata__":{"k":{}}}`, 0, "want"},
		"key twice in tensor":       {`{"a":{"dtype":"F32","dtype":"F32","shape":[1],"data_offsets":[0,4]}}`, 4, "twice"},
		"unknown key":               {`{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4],"x":1}}`, 4, "unknown key"},
		"no dtype":                  {`{"a":{"shape":[1],"data_offsets":[0,4]}}`, 4, "lacks"},
		"no shape":                  {`{"a":{"dtype":"F32","data_offsets":[0,4]}}`, 4, "lacks"},
		"no offsets":                {`{"a":{"dtype":"F32","shape":[1]}}`, 4, "lacks"},
		"deep":                      {`{"a":` + strings.Repeat("[", 100000), 4, "want"},
		"deep shape":                {`{"a":{"dtype":"F32","shape":[[1]],"data_offsets":[0,4]}}`, 4, "whole number"},
		"three offsets":             {one("F32", "1", "0,4,8"), 4, "want"},
		"one offset":                {one("F32", "1", "0"), 4, "want"},
		"negative dim":              {one("F32", "-1", "0,4"), 4, "whole number"},
		"float dim":                 {one("F32", "1.0", "0,4"), 4, "want"},
		"exponent dim":              {one("F32", "1e0", "0,4"), 4, "want"},
		"leading zero":              {one("F32", "01", "0,4"), 4, "leading zero"},
		"no number":                 {one("F32", "", "0,"), 4, "whole number"},
		"2^64 offset":               {one("U8", "4", "0,18446744073709551616"), 4, "64 bits"},
		"2^64-1 offset":             {one("U8", "18446744073709551615", "0,18446744073709551615"), 4, "of 4 bytes"},
		"offsets reversed":          {one("U8", "4", "4,0"), 4, "begins at"},
		"begins late":               {one("U8", "3", "1,4"), 4, "begins at"},
		"beyond the file":           {one("U8", "5", "0,5"), 4, "of 4 bytes"},
		"bytes left over":           {one("U8", "3", "0,3"), 4, "cover 3 of 4"},
		"data without tensors":      {`{}`, 1, "cover 0 of 1"},
		"size is not shape":         {one("F32", "2", "0,4"), 4, "takes 8 bytes"},
		"product wraps to 4":        {one("U8", "4294967297,4294967300", "0,4"), 4, "too large"},
		"product wraps to 0":        {one("U8", "4294967296,4294967296", "0,0"), 0, "too large"},
		"zero times huge":           {one("U8", "0,9223372036854775807,2", "0,0"), 0, "too many"},
		"overlap":                   {two("0,4", "2,6"), 6, "begins at"},
		"same place":                {two("0,4", "0,4"), 4, "begins at"},
		"hole":                      {two("0,4", "5,9"), 9, "begins at"},
		"unknown dtype":             {one("F31", "1", "0,4"), 4, "unknown dtype"},
		"control character in name": {"{\"a\n\":" + tensorJSON + "}", 4, "control"},
		"name is not UTF-8":         {"{\"\xff\":" + tensorJSON + "}", 4, "UTF-8"},
		"bad escape":                {`{"\x":` + tensorJSON + `}`, 4, "escape"},
		"escape cut":                {`{"\`, 0, "without end"},
		"half surrogate":            {`{"\ud800":` + tensorJSON + `}`, 4, "XXXX"},
		"two high surrogates":       {`{"\ud800\ud800":` + tensorJSON + `}`, 4, "surrogate"},
		"low surrogate":             {`{"\udc00\ud800":` + tensorJSON + `}`, 4, "surrogate"},
		"bad unicode escape":        {`{"\u00g0":` + tensorJSON + `}`, 4, "XXXX"},
		"sign in unicode escape":    {`{"\u+123":` + tensorJSON + `}`, 4, "XXXX"},
		"string without end":        {`{"` + long(100), 0, "without end"},
		"33 dimensions":             {one("U8", strings.Repeat("1,", 32)+"1", "0,1"), 1, "more than 32"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			f, err := read(build(c.header, long(c.data)))
			require.Error(t, err)
			assert.Nil(t, f)
			var format *FormatError
			require.ErrorAs(t, err, &format)
			assert.ErrorContains(t, err, c.reason)
		})
	}
}

func TestReadRefusesHeaderLengths(t *testing.T) {
	for _, n := range []uint64{3, MaxHeader, MaxHeader + 1, math.MaxInt64 - 7, math.MaxInt64, math.MaxUint64 - 7, math.MaxUint64} {
		b := append(binary.LittleEndian.AppendUint64(nil, n), "{}"...)
		_, err := read(b)
		var format *FormatError
		assert.ErrorAs(t, err, &format, "%d", n)
	}
	for n := range 8 {
		_, err := read(make([]byte, n))
		var format *FormatError
		assert.ErrorAs(t, err, &format, "%d bytes", n)
	}
}

func TestReadReportsWhatItCannotHold(t *testing.T) {
	for dtype, size := range map[string]int{"BOOL": 1, "I16": 2, "U16": 2, "U32": 4, "U64": 8, "F8_E4M3": 1, "F8_E5M2": 1} {
		_, err := read(build(fmt.Sprintf(`{"layer.w":{"dtype":%q,"shape":[1],"data_offsets":[0,%d]}}`, dtype, size), "12345678"[:size]))
		var u *UnsupportedError
		require.ErrorAs(t, err, &u)
		assert.Equal(t, "layer.w", u.Tensor)
		assert.ErrorContains(t, err, dtype)
	}
	_, err := read(build(`{"w":{"dtype":"U8","shape":[1,1,1,1,1,1,1,1,1],"data_offsets":[0,1]}}`, "x"))
	var u *UnsupportedError
	require.ErrorAs(t, err, &u)
	assert.ErrorContains(t, err, "rank 9")
}

func TestReadTakesOtherSpellings(t *testing.T) {
	f, err := read(build("{ \"b\" :\n{\"data_offsets\":[4,5] , \"shape\":[], \"dtype\":\"U8\"},\t\"\\ud83d\\ude00\\/\":"+tensorJSON+"}\r\n  ", "\x00\x00\x80\x3f\x07"))
	require.NoError(t, err)
	assert.Equal(t, []string{"😀/", "b"}, f.Names, "the order of the data, not of the header")
	assert.Equal(t, []float32{1}, f.Tensors["😀/"].F32())
	assert.Equal(t, []uint8{7}, f.Tensors["b"].U8())
}

func TestEveryTruncationAndExtensionIsRefused(t *testing.T) {
	tensors, meta := sample()
	b := encode(t, tensors, meta)
	for n := range b {
		_, err := read(b[:n])
		require.Error(t, err, n)
	}
	_, err := read(append(b, 0))
	require.Error(t, err)
	_, err = Read(bytes.NewReader(b), int64(len(b))+1)
	require.Error(t, err)
	var format *FormatError
	for n := range len(b) { // the size is right and the reader ends too early
		_, err := Read(bytes.NewReader(b[:n]), int64(len(b)))
		require.ErrorIs(t, err, io.ErrUnexpectedEOF, n)
		require.False(t, errors.As(err, &format))
	}
}

// orderReader fails the test unless the reads cover the file once, in order.
type orderReader struct {
	t  *testing.T
	b  []byte
	at int64
}

func (r *orderReader) ReadAt(p []byte, off int64) (int, error) {
	require.Equal(r.t, r.at, off)
	n := copy(p, r.b[off:])
	r.at += int64(n)
	return n, nil
}

func TestReadGoesThroughTheFileOnce(t *testing.T) {
	tensors, meta := sample()
	b := encode(t, tensors, meta)
	r := &orderReader{t: t, b: b}
	_, err := Read(r, int64(len(b)))
	require.NoError(t, err)
	assert.EqualValues(t, len(b), r.at)
	got, err := ReadMetadata(bytes.NewReader(b), int64(len(b)))
	require.NoError(t, err)
	assert.Equal(t, meta, got)
	_, err = ReadMetadata(bytes.NewReader(b), int64(len(b))-1)
	require.Error(t, err)
}

func TestWriteRefuses(t *testing.T) {
	ok := tensor.FromU8([]uint8{1}, 1)
	bits := tensor.New(tensor.Of(tensor.B1, 8))
	for name, c := range map[string]struct {
		tensors []Named
		meta    map[string]string
	}{
		"twice":             {[]Named{{"a", ok}, {"a", ok}}, nil},
		"nil":               {[]Named{{"a", nil}}, nil},
		"reserved name":     {[]Named{{"__metadata__", ok}}, nil},
		"name not UTF-8":    {[]Named{{"\xff", ok}}, nil},
		"bits":              {[]Named{{"a", bits}}, nil},
		"value not UTF-8":   {nil, map[string]string{"a": "\xff"}},
		"key not UTF-8":     {nil, map[string]string{"\xff": ""}},
		"too many tensors":  {make([]Named, MaxTensors+1), nil},
		"header too long":   {[]Named{{strings.Repeat("x", MaxHeader), ok}}, nil},
		"tensor after good": {[]Named{{"a", ok}, {"b", bits}}, nil},
	} {
		var b bytes.Buffer
		assert.Error(t, Write(&b, c.tensors, c.meta), name)
		assert.Zero(t, b.Len(), name)
	}
	for n := range 3 {
		err := Write(&failing{n}, []Named{{"a", ok}, {"b", ok}}, nil)
		assert.ErrorIs(t, err, io.ErrClosedPipe)
	}
}

// failing takes n writes.
type failing struct{ n int }

func (f *failing) Write(p []byte) (int, error) {
	if f.n == 0 {
		return 0, io.ErrClosedPipe
	}
	f.n--
	return len(p), nil
}

func TestSwap(t *testing.T) {
	b := []byte{1, 2, 3, 4, 5, 6, 7, 8}
	swap(b, 1)
	assert.Equal(t, []byte{1, 2, 3, 4, 5, 6, 7, 8}, b)
	swap(b, 4)
	assert.Equal(t, []byte{4, 3, 2, 1, 8, 7, 6, 5}, b)
	swap(b, 8)
	assert.Equal(t, []byte{5, 6, 7, 8, 1, 2, 3, 4}, b)
	assert.False(t, bigEndian && runtime.GOARCH == "amd64")
}

func TestWriteFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "m.safetensors")
	tensors, meta := sample()
	require.NoError(t, WriteFile(t.Context(), path, tensors, meta))
	f, err := ReadFile(path)
	require.NoError(t, err)
	assert.Equal(t, meta, f.Metadata)
	require.Error(t, WriteFile(t.Context(), path, []Named{{"a", nil}}, nil))
	_, err = ReadFile(path)
	require.NoError(t, err, "the old file is intact")
}

// A hostile file costs at most four times its size and 16 MiB.
func TestMemoryIsBoundedByTheFile(t *testing.T) {
	many := func(n int, member string) string {
		var b strings.Builder
		b.WriteByte('{')
		for i := range n {
			if i > 0 {
				b.WriteByte(',')
			}
			fmt.Fprintf(&b, `"%x":%s`, i, member)
		}
		b.WriteByte('}')
		return b.String()
	}
	for name, b := range map[string][]byte{
		"many tensors":     build(many(MaxTensors, `{"dtype":"U8","shape":[0],"data_offsets":[0,0]}`), ""),
		"too many tensors": build(many(2*MaxTensors, `{"dtype":"U8","shape":[0],"data_offsets":[0,0]}`), ""),
		"many metadata":    build(`{"__metadata__":`+many(MaxTensors, `""`)+`}`, ""),
		"big claim":        build(`{"a":{"dtype":"U8","shape":[1099511627776],"data_offsets":[0,1099511627776]}}`, "x"),
		"long name":        build(`{"`+strings.Repeat(`\n`, 4<<20), ""),
	} {
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		f, _ := read(b)
		runtime.GC() // what is held, not what was thrown away
		runtime.ReadMemStats(&after)
		assert.Less(t, int64(after.HeapAlloc)-int64(before.HeapAlloc), int64(4*len(b)+16<<20), name)
		assert.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(16*len(b)+64<<20), name)
		runtime.KeepAlive(f)
	}
}

func FuzzRead(f *testing.F) {
	tensors, meta := sample()
	f.Add(encode(f, tensors, meta))
	f.Add(encode(f, nil, nil))
	f.Add(build(`{"a":`+tensorJSON+`}`, "1234"))
	f.Add(build(`{"h":{"dtype":"F16","shape":[2],"data_offsets":[0,4]},"b":{"dtype":"BF16","shape":[1,1],"data_offsets":[4,6]}}`, "123456"))
	f.Add(build(`{"\ud83d\ude00":{"shape":[0,3],"dtype":"I64","data_offsets":[0,0]}}`, ""))
	for _, name := range []string{"library.safetensors", "library16.safetensors"} {
		b, err := os.ReadFile(filepath.Join("testdata", name))
		require.NoError(f, err)
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		first, err := read(b)
		if err != nil {
			var format *FormatError
			var unsupported *UnsupportedError
			if !errors.As(err, &format) && !errors.As(err, &unsupported) {
				t.Fatalf("error %T: %v", err, err)
			}
			return
		}
		once := encode(t, first.List(), first.Metadata)
		second, err := read(once)
		require.NoError(t, err)
		require.Equal(t, first.Names, second.Names)
		require.Equal(t, first.Metadata, second.Metadata)
		require.True(t, bytes.Equal(once, encode(t, second.List(), second.Metadata)))
	})
}
