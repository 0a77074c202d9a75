package tflite

import (
	"math"
	"os"
	"path/filepath"
	"testing"

	"github.com/goqat/goqat/graph"
	"github.com/goqat/goqat/npy"
	"github.com/goqat/goqat/tensor"

	"math/rand/v2"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// fileBuilder makes files as other converters write them.
type fileBuilder struct{ model }

func (b *fileBuilder) tensor(dtype int, p params, shape ...int) int {
	t := tensorInfo{name: "t" + string(rune('a'+len(b.tensors))), dtype: dtype, shape: shape}
	if p.scale != 0 {
		t.scale, t.zero = []float32{p.scale}, []int64{int64(p.zero)}
	}
	b.tensors = append(b.tensors, t)
	return len(b.tensors) - 1
}

func (b *fileBuilder) ints(v ...int) int {
	i := b.tensor(typeInt32, params{}, len(v))
	for _, x := range v {
		b.tensors[i].data = appendInt32(b.tensors[i].data, int32(x))
	}
	return i
}

func (b *fileBuilder) op(code int, a attributes, out int, in ...int) int {
	version := operatorDefs[code].version
	if b.tensors[out].dtype == typeFloat32 {
		version = 1
	}
	b.operators = append(b.operators, operator{code: code, version: version, in: in, out: []int{out}, attributes: a})
	return out
}

// otherFiles use operators that this package reads but does not write.
var otherFiles = []struct {
	name      string
	build     func(b *fileBuilder)
	tolerance string
}{
	{"uint8_input", func(b *fileBuilder) {
		x := b.tensor(typeUInt8, params{0.5, 128}, 1, 4, 4, 3)
		y := b.op(opQuantize, attributes{}, b.tensor(typeInt8, params{0.5, 0}, 1, 4, 4, 3), x)
		b.inputs, b.outputs = []int{x}, []int{y}
	}, "0"},
	{"mean_keep", func(b *fileBuilder) {
		x := b.tensor(typeInt8, params{0.5, -3}, 1, 4, 5, 3)
		y := b.op(opMean, attributes{keepDims: 1}, b.tensor(typeInt8, params{0.4, 2}, 1, 1, 1, 3), x, b.ints(1, 2))
		b.inputs, b.outputs = []int{x}, []int{y}
	}, "1"},
	{"mean", func(b *fileBuilder) {
		x := b.tensor(typeInt8, params{0.5, -3}, 1, 4, 5, 3)
		y := b.op(opMean, attributes{}, b.tensor(typeInt8, params{0.4, 2}, 1, 3), x, b.ints(1, 2))
		b.inputs, b.outputs = []int{x}, []int{y}
	}, "1"},
	{"softmax", func(b *fileBuilder) {
		x := b.tensor(typeInt8, params{0.1, 7}, 3, 10)
		y := b.op(opSoftmax, attributes{beta: 1}, b.tensor(typeInt8, params{1.0 / 256, -128}, 3, 10), x)
		b.inputs, b.outputs = []int{x}, []int{y}
	}, "1"},
	{"squeeze", func(b *fileBuilder) {
		x := b.tensor(typeInt8, params{0.5, 1}, 1, 1, 6, 1)
		y := b.op(opSqueeze, attributes{dims: []int{1, 3}}, b.tensor(typeInt8, params{0.5, 1}, 1, 6), x)
		z := b.op(opExpandDims, attributes{}, b.tensor(typeInt8, params{0.5, 1}, 1, 1, 6), y, b.ints(1))
		b.inputs, b.outputs = []int{x}, []int{z}
	}, "0"},
	{"strided_slice", func(b *fileBuilder) {
		q := params{0.5, 1}
		x := b.tensor(typeInt8, q, 2, 5, 6, 3)
		y := b.op(opStridedSlice, attributes{beginMask: 1, endMask: 5, shrinkMask: 2}, b.tensor(typeInt8, q, 2, 3, 2), x,
			b.ints(0, -2, 1, 2), b.ints(1, 0, 0, 0), b.ints(1, 1, 2, -1))
		b.inputs, b.outputs = []int{x}, []int{y}
	}, "0"},
	{"relu_after_pools", func(b *fileBuilder) {
		q := params{0.05, -20}
		x := b.tensor(typeInt8, q, 1, 6, 6, 4)
		p := attributes{padding: paddingSame, strideH: 2, strideW: 2, filterH: 3, filterW: 3, activation: actRelu6}
		y := b.op(opMaxPool2D, p, b.tensor(typeInt8, q, 1, 3, 3, 4), x)
		p.activation = actRelu
		z := b.op(opAveragePool2D, p, b.tensor(typeInt8, q, 1, 2, 2, 4), y)
		w := b.op(opRelu, attributes{}, b.tensor(typeInt8, params{0.04, 0}, 1, 2, 2, 4), z)
		b.inputs, b.outputs = []int{x}, []int{w}
	}, "0"},
	{"shape_arithmetic", func(b *fileBuilder) {
		q := params{0.5, 1}
		x := b.tensor(typeInt8, q, 2, 2, 3)
		s := b.op(opShape, attributes{outType: typeInt32}, b.tensor(typeInt32, params{}, 3), x)
		n := b.op(opStridedSlice, attributes{shrinkMask: 1}, b.tensor(typeInt32, params{}), s, b.ints(0), b.ints(1), b.ints(1))
		b.operators[1].version = 1
		six := b.tensor(typeInt32, params{})
		b.tensors[six].data = appendInt32(nil, 6)
		pack := b.op(opPack, attributes{valuesCount: 2}, b.tensor(typeInt32, params{}, 2), n, six)
		y := b.op(opReshape, attributes{}, b.tensor(typeInt8, q, 2, 6), x, pack)
		b.inputs, b.outputs = []int{x}, []int{y}
	}, "0"},
}

func TestReadOtherOperators(t *testing.T) {
	for _, c := range otherFiles {
		t.Run(c.name, func(t *testing.T) {
			var b fileBuilder
			c.build(&b)
			g, err := Read(encode(&b.model))
			require.NoError(t, err)
			_, out := run(t, g, 0)
			require.Equal(t, tensor.Shape(b.tensors[b.outputs[0]].shape), out[0].Shape())
		})
	}
}

// TestLiteRTReadsTheSame compares what the read graphs compute with LiteRT.
func TestLiteRTReadsTheSame(t *testing.T) {
	python := os.Getenv(peerPython)
	if python == "" {
		t.Skip("set " + peerPython + " to a Python with ai-edge-litert, tflite-micro and numpy")
	}
	for _, c := range otherFiles {
		var b fileBuilder
		c.build(&b)
		file := encode(&b.model)
		g, err := Read(file)
		require.NoError(t, err)
		dir := filepath.Join(t.TempDir(), c.name)
		require.NoError(t, os.MkdirAll(dir, 0o755))
		require.NoError(t, os.WriteFile(filepath.Join(dir, "model.tflite"), file, 0o644))
		unsigned := b.tensors[b.inputs[0]].dtype == typeUInt8
		const samples = 10
		in, out := peerCodes(t, g, samples, unsigned)
		require.NoError(t, npy.WriteFile(filepath.Join(dir, "input.npy"), in))
		require.NoError(t, npy.WriteFile(filepath.Join(dir, "expected.npy"), out))
		runPeer(t, python, "litert", "--tolerance", c.tolerance, dir)
	}
}

// peerCodes returns random codes for the only input of g and the codes of its
// only output.
func peerCodes(t *testing.T, g *graph.Graph, samples int, unsigned bool) (in, out *tensor.Tensor) {
	ins, outs := ports(t, g)
	dtype := tensor.I8
	if unsigned {
		dtype = tensor.U8
	}
	in = tensor.New(tensor.Spec{DType: dtype, Shape: append(tensor.Shape{samples}, ins[0].shape...)})
	out = tensor.New(tensor.Spec{DType: tensor.I8, Shape: append(tensor.Shape{samples}, outs[0].shape...)})
	r := rand.New(rand.NewPCG(6, 6))
	for s := range samples {
		x := tensor.New(tensor.Spec{DType: tensor.F32, Shape: ins[0].shape})
		for i := range x.F32() {
			c := r.IntN(256)
			in.Bytes()[s*x.Numel()+i] = byte(c)
			if !unsigned {
				c = int(int8(c))
			}
			x.F32()[i] = float32(c-int(ins[0].zero)) * ins[0].scale
		}
		y := runGraph(t, g, []*tensor.Tensor{x})[0]
		copy(out.I8()[s*y.Numel():], y.I8())
	}
	return in, out
}

// Float models become float operations.
func TestReadFloat(t *testing.T) {
	var b fileBuilder
	f := func(shape ...int) int { return b.tensor(typeFloat32, params{}, shape...) }
	constant := func(shape []int, v ...float32) int {
		i := f(shape...)
		for _, x := range v {
			b.tensors[i].data = appendInt32(b.tensors[i].data, int32(math.Float32bits(x)))
		}
		return i
	}
	x := f(1, 2, 2, 1)
	c := b.op(opConv2D, attributes{padding: paddingValid, strideH: 1, strideW: 1, activation: actRelu6}, f(1, 2, 2, 2), x,
		constant([]int{2, 1, 1, 1}, 2, -3), constant([]int{2}, 0.5, 1))
	d := b.op(opDepthwiseConv2D, attributes{padding: paddingSame, strideH: 1, strideW: 1, depthMultiplier: 1}, f(1, 2, 2, 2), c,
		constant([]int{1, 1, 1, 2}, 10, 100))
	a := b.op(opAdd, attributes{activation: actReluN1}, f(1, 2, 2, 2), d, constant([]int{2}, -20, 0))
	m := b.op(opMul, attributes{}, f(1, 2, 2, 2), a, d)
	s := b.op(opSub, attributes{activation: actRelu}, f(1, 2, 2, 2), m, c)
	p := b.op(opPad, attributes{}, f(1, 3, 2, 2), s, b.ints(0, 0, 1, 0, 0, 0, 0, 0))
	mx := b.op(opMaxPool2D, attributes{padding: paddingValid, strideH: 1, strideW: 1, filterH: 3, filterW: 2}, f(1, 1, 1, 2), p)
	fc := b.op(opFullyConnected, attributes{}, f(1, 2), mx, constant([]int{2, 2}, 1, 2, 3, 4), constant([]int{2}, 1, 1))
	b.inputs, b.outputs = []int{x}, []int{fc}
	g, err := Read(encode(&b.model))
	require.NoError(t, err)
	require.NotEmpty(t, g.Nodes())
	in := tensor.FromF32([]float32{1, 2, -1, 0.25}, 1, 2, 2, 1)
	y := runFloat(t, g, in)
	// x=1: c = 2.5, 0; d = 25, 0; a = 1, 0; m = 25, 0; s = 22.5, 0.
	// x=2: c = 4.5, 0; d = 45; a = 1; m = 45; s = 40.5.
	// x=-1: c = 0, 4; d = 0, 400; a = -1, 1; m = 0, 400; s = 0, 396.
	// x=.25: c = 1, .25; d = 10, 25; a = -1, 1; m = -10, 25; s = 0, 24.75.
	assert.Equal(t, []float32{40.5 + 2*396 + 1, 3*40.5 + 4*396 + 1}, y.F32())
}
