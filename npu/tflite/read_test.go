package tflite

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/hex"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/graph"
	"github.com/goqat/goqat/target"
	"github.com/goqat/goqat/tensor"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func shared(t testing.TB, path string) []byte {
	b, err := os.ReadFile(filepath.Join("..", "..", "..", "shared", "data", filepath.FromSlash(path)))
	if err != nil {
		t.Skip("no shared data: ", err)
	}
	return b
}

// Models of other makers can be read and run.
func TestReadModelsOfOthers(t *testing.T) {
	for path, nodes := range map[string]string{
		"mlperf-tiny/models/ad01_int8.tflite":         "qlinear_gemm",
		"mlperf-tiny/models/ad01_fp32.tflite":         "gemm",
		"mlperf-tiny/models/ic_resnet8_int8.tflite":   "qlinear_add",
		"mlperf-tiny/models/ic_resnet8_float.tflite":  "add",
		"mlperf-tiny/models/kws_dscnn_int8.tflite":    "qlinear_average_pool",
		"mlperf-tiny/models/kws_dscnn_float32.tflite": "average_pool",
		"mlperf-tiny/models/sww_int8.tflite":          "softmax",
		"mlperf-tiny/models/vww_96_int8.tflite":       "qlinear_conv",
		"mlperf-tiny/models/vww_96_float.tflite":      "conv",
		"tflite-micro/hello_world_int8.tflite":        "qlinear_gemm",
		"tflite-micro/hello_world_float.tflite":       "gemm",
		"tflite-micro/micro_speech_quantized.tflite":  "qlinear_conv",
		"tflite-micro/person_detect.tflite":           "qlinear_conv",
	} {
		g, err := Read(shared(t, path))
		require.NoError(t, err, path)
		found := false
		for _, n := range g.Nodes() {
			found = found || n.Op.OpName() == nodes
		}
		assert.True(t, found, "%s has no %s", path, nodes)
		in, out := run(t, g, 2)
		require.NotEmpty(t, in)
		for _, y := range out {
			require.Equal(t, 2, y.Shape()[0], path)
			for _, v := range y.F32() {
				require.False(t, math.IsNaN(float64(v)), path)
			}
		}
	}
}

// run runs g on random inputs of a batch.
func run(t *testing.T, g *graph.Graph, batch int) (in, out []*tensor.Tensor) {
	t.Helper()
	ctx := context.Background()
	s, err := target.OpenGraph(ctx, g, cpu(t), batch)
	require.NoError(t, err)
	r := rand.New(rand.NewPCG(3, 3))
	for _, p := range s.Inputs() {
		x := tensor.New(p.Spec)
		for i := range x.F32() {
			x.F32()[i] = r.Float32()*2 - 1
		}
		in = append(in, x)
	}
	for _, p := range s.Outputs() {
		out = append(out, tensor.New(p.Spec))
	}
	require.NoError(t, s.Run(ctx, in, out))
	return in, out
}

// The integer and the float file of one network agree about the class.
func TestIntegerAndFloatFilesAgree(t *testing.T) {
	gi, err := Read(shared(t, "mlperf-tiny/models/ic_resnet8_int8.tflite"))
	require.NoError(t, err)
	gf, err := Read(shared(t, "mlperf-tiny/models/ic_resnet8_float.tflite"))
	require.NoError(t, err)
	ctx := context.Background()
	si, err := target.OpenGraph(ctx, gi, cpu(t), 16)
	require.NoError(t, err)
	sf, err := target.OpenGraph(ctx, gf, cpu(t), 16)
	require.NoError(t, err)
	in := tensor.New(si.Inputs()[0].Spec)
	r := rand.New(rand.NewPCG(8, 8))
	for i := range in.F32() { // Images of smooth blobs: pixels 0 to 255.
		in.F32()[i] = float32(int(127+120*math.Sin(float64(i%3072)/(50+200*float64(i/3072%16)))) + r.IntN(8))
	}
	yi, yf := tensor.New(si.Outputs()[0].Spec), tensor.New(sf.Outputs()[0].Spec)
	require.NoError(t, si.Run(ctx, []*tensor.Tensor{in}, []*tensor.Tensor{yi}))
	require.NoError(t, sf.Run(ctx, []*tensor.Tensor{in}, []*tensor.Tensor{yf}))
	same := 0
	for row := range 16 {
		if best(yi.F32()[row*10:row*10+10]) == best(yf.F32()[row*10:row*10+10]) {
			same++
		}
	}
	assert.GreaterOrEqual(t, same, 14)
}

func best(v []float32) int {
	b := 0
	for i := range v {
		if v[i] > v[b] {
			b = i
		}
	}
	return b
}

func TestUnsupportedOperatorsAreNamed(t *testing.T) {
	for path, name := range map[string]string{
		"tflite-micro/keyword_scrambled.tflite":       "SVDF",
		"tflite-micro/trained_lstm_int8.tflite":       "UNIDIRECTIONAL_SEQUENCE_LSTM",
		"tflite-micro/person_detect_vela.tflite":      "CUSTOM ethos-u",
		"tflite-micro/audio_preprocessor_int8.tflite": "CUSTOM",
	} {
		_, err := Read(shared(t, path))
		var u *UnsupportedError
		require.ErrorAs(t, err, &u, path)
		assert.Contains(t, u.Name, name)
		assert.GreaterOrEqual(t, u.Operator, 0)
	}
}

func TestReadRefuses(t *testing.T) {
	valid := func(change func(m *model)) []byte {
		n := newNet(1)
		n.output("y", n.conv(n.input("x", 1, 6, 6, 2), backend.Conv{Window: slide(1, 1, 1, 1, 1, 1)}, 0, inf, 3, 3, 3))
		l := lower(n.model(t), Target{})
		change(&l.model)
		return encode(&l.model)
	}
	_, err := Read(valid(func(*model) {}))
	require.NoError(t, err)
	for _, c := range []struct {
		name, want string
		file       []byte
	}{
		{"empty", "identifier", nil},
		{"text", "identifier", []byte("not a model at all")},
		{"root", "beyond the end", append([]byte{255, 255, 255, 255}, "TFL3"...)},
		{"vtable", "vtable", append([]byte{8, 0, 0, 0, 'T', 'F', 'L', '3'}, 0, 0, 0, 128)},
		{"input index", "refers to tensor 99", valid(func(m *model) { m.inputs[0] = 99 })},
		{"negative output", "refers to tensor -1", valid(func(m *model) { m.outputs[0] = -1 })},
		{"use before", "before it is computed", valid(func(m *model) { m.operators[0].in[0] = m.outputs[0] })},
		{"twice", "again", valid(func(m *model) { m.operators = append(m.operators, m.operators[0]) })},
		{"no inputs", "never computed", valid(func(m *model) { m.operators = nil })},
		{"weights cut", "has 4 bytes", valid(func(m *model) { m.tensors[2].data = m.tensors[2].data[:4] })},
		{"scale 0", "scale 0", valid(func(m *model) { m.tensors[0].scale = []float32{0} })},
		{"scale NaN", "scale NaN", valid(func(m *model) { m.tensors[0].scale = []float32{float32(math.NaN())} })},
		{"zero point", "zero point 300", valid(func(m *model) { m.tensors[0].zero = []int64{300} })},
		{"two scales", "2 scales", valid(func(m *model) { m.tensors[0].scale = []float32{1, 1} })},
		{"weight zero", "want 0", valid(func(m *model) { m.tensors[2].zero[1] = 1 })},
		{"weight axis", "along dimension", valid(func(m *model) { m.tensors[2].axis = 3 })},
		{"stride 0", "stride 0", valid(func(m *model) { m.operators[0].strideH = 0 })},
		{"padding", "padding 7", valid(func(m *model) { m.operators[0].padding = 7 })},
		{"activation", "fused activation", valid(func(m *model) { m.operators[0].activation = 4 })},
		{"dimension 0", "dimensions", valid(func(m *model) { m.tensors[0].shape = []int{1, 0, 6, 2} })},
		{"huge dimension", "too many elements", valid(func(m *model) {
			m.tensors[0].shape = []int{math.MaxInt32, math.MaxInt32, math.MaxInt32, math.MaxInt32}
		})},
		{"rank", "rank", valid(func(m *model) { m.tensors[0].shape = []int{1, 1, 1, 1, 1, 1, 6, 6, 2} })},
		{"result shape", "the file says", valid(func(m *model) { m.tensors[m.outputs[0]].shape = []int{1, 5, 6, 3} })},
		{"bias type", "a bias of type 4", valid(func(m *model) { m.tensors[3].dtype = typeInt64 })},
		{"bias length", "2 values for 3", valid(func(m *model) { m.tensors[3].data, m.tensors[3].shape = m.tensors[3].data[:8], []int{2} })},
		{"type", "type 1", valid(func(m *model) { m.tensors[0].dtype = 1 })},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := Read(c.file)
			require.ErrorContains(t, err, c.want)
		})
	}
}

// Cutting a file anywhere gives an error and no panic.
func TestEveryTruncationIsRefused(t *testing.T) {
	n := newNet(1)
	n.output("y", n.gemm(n.input("x", 1, 4), -inf, inf, 3))
	file := lowered(t, n.model(t)).file
	for i := range len(file) {
		if g, err := Read(file[:i]); err == nil {
			// The end of a file may be padding only.
			require.True(t, bytes.Equal(file[i:], make([]byte, len(file)-i)), "%d of %d bytes", i, len(file))
			require.NotNil(t, g)
		}
	}
}

// A file whose tensors share one buffer many times costs no more than a
// multiple of its size.
func TestMemoryIsBoundedByTheFile(t *testing.T) {
	var m model
	m.tensors = append(m.tensors, tensorInfo{name: "x", dtype: typeFloat32, shape: []int{1, 4}})
	m.inputs = []int{0}
	at := 0
	for range 2000 {
		w := len(m.tensors)
		m.tensors = append(m.tensors,
			tensorInfo{dtype: typeFloat32, shape: []int{65536, 4}, data: []byte{1}},
			tensorInfo{dtype: typeFloat32, shape: []int{1, 65536}})
		o := operator{code: opFullyConnected, version: 1, in: []int{0, w, -1}, out: []int{w + 1}}
		m.operators = append(m.operators, o)
		at = w + 1
	}
	m.outputs = []int{at}
	// One buffer of 1 MiB for all weights.
	file := shareBuffer(&m, make([]byte, 1<<20))
	require.Less(t, len(file), 3<<20)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, err := Read(file)
	runtime.ReadMemStats(&after)
	var f *FormatError
	require.ErrorAs(t, err, &f)
	require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(24*len(file)))
}

// shareBuffer encodes m with one buffer for all constants.
func shareBuffer(m *model, data []byte) []byte {
	marker := make([]byte, len(data))
	copy(marker, "shared buffer")
	m.tensors[1].data = marker
	b := encode(m)
	r := &reader{b: b}
	g := r.table(r.target(0)).vector(2, 4).table(0)
	ts := g.vector(0, 4)
	first := uint32(ts.table(1).i32(2, 0))
	for i := range ts.len {
		t := ts.table(i)
		if at := t.field(2, 4); at != 0 {
			binary.LittleEndian.PutUint32(b[at:], first)
		}
	}
	return b
}

func FuzzRead(f *testing.F) {
	for _, c := range cases {
		n := newNet(1)
		c.build(n)
		f.Add(lowered(f, n.model(f)).file)
	}
	for _, code := range []int{opLogistic, opHardSwish, opLeakyRelu, opRelu6} {
		file, _ := tableFile(code, params{0.1, 3}, params{1.0 / 256, -128}, 0.1)
		f.Add(file)
	}
	if b, err := os.ReadFile("../../../shared/data/tflite-micro/hello_world_float.tflite"); err == nil {
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		g, err := Read(b)
		if err != nil {
			return
		}
		if len(g.Outputs()) == 0 {
			t.Fatal("a graph without outputs")
		}
	})
}

func runFloat(t *testing.T, g *graph.Graph, in *tensor.Tensor) *tensor.Tensor {
	t.Helper()
	ctx := context.Background()
	s, err := target.OpenGraph(ctx, g, cpu(t), 0)
	require.NoError(t, err)
	y := tensor.New(s.Outputs()[0].Spec)
	require.NoError(t, s.Run(ctx, []*tensor.Tensor{in}, []*tensor.Tensor{y}))
	return y
}

// The codes of whole models on random inputs are those of TFLite Micro, which
// computed testdata/models.txt from the inputs of goldenInput.
func TestModelsOfOthersComputeWhatTFLiteMicroDoes(t *testing.T) {
	golden, err := os.ReadFile("testdata/models.txt")
	require.NoError(t, err)
	for line := range strings.Lines(string(golden)) {
		if strings.HasPrefix(line, "#") {
			continue
		}
		path, codes, ok := strings.Cut(strings.TrimSpace(line), " ")
		require.True(t, ok)
		want, err := hex.DecodeString(codes)
		require.NoError(t, err)
		g, err := Read(shared(t, path))
		require.NoError(t, err)
		r := goldenInput()
		ins, _ := ports(t, g)
		var got []byte
		for range 3 {
			x, _ := randomCodes(r, ins[0])
			got = append(got, runGraph(t, g, []*tensor.Tensor{x})[0].Bytes()...)
		}
		assert.Equal(t, want, got, path)
	}
}

func goldenInput() *rand.Rand { return rand.New(rand.NewPCG(1, 2)) }
