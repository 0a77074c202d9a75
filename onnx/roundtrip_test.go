package onnx

import (
	"bytes"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/graph"
	"github.com/goqat/goqat/nn"
	"github.com/goqat/goqat/tensor"
	"github.com/stretchr/testify/require"
)

// written returns the bytes of g.
func bytesOf(t testing.TB, g *graph.Graph, o WriteOptions) []byte {
	t.Helper()
	var b bytes.Buffer
	require.NoError(t, Write(&b, g, o))
	return b.Bytes()
}

// random returns inputs for g.
func randomInputs(g *graph.Graph, seed uint64) []*tensor.Tensor {
	r := rand.New(rand.NewPCG(seed, 1))
	var in []*tensor.Tensor
	for _, v := range g.Inputs() {
		x := tensor.New(v.Spec())
		for i := range x.F32() {
			x.F32()[i] = float32(r.NormFloat64())
		}
		in = append(in, x)
	}
	return in
}

// disturb gives batch normalizations statistics that are not 0 and 1, and
// biases that are not 0.
func disturb(t testing.TB, g *graph.Graph, seed uint64) {
	r := rand.New(rand.NewPCG(seed, 2))
	for _, k := range []graph.Kind{graph.State, graph.Param} {
		for _, v := range g.Values(k) {
			if v.DType() != tensor.F32 || len(v.Shape()) != 1 {
				continue
			}
			x := tensor.New(v.Spec())
			for i := range x.F32() {
				x.F32()[i] = float32(0.5 + r.Float64())
			}
			require.NoError(t, v.SetInit(x))
		}
	}
}

// roundTrip writes g, reads it, and requires the same outputs, weights and
// bytes.
func roundTrip(t *testing.T, g *graph.Graph, o WriteOptions) *graph.Graph {
	t.Helper()
	b := bytesOf(t, g, o)
	back, _, err := read(b, ReadOptions{})
	require.NoError(t, err)
	require.Len(t, back.Inputs(), len(g.Inputs()))
	for i, v := range g.Inputs() {
		require.Equal(t, v.Name(), back.Inputs()[i].Name())
		require.True(t, v.Spec().Equal(back.Inputs()[i].Spec()), "input %v, read back as %v", v.Spec(), back.Inputs()[i].Spec())
	}
	for _, k := range []graph.Kind{graph.Param, graph.State} {
		for _, v := range g.Values(k) {
			w, ok := back.Lookup(v.Name())
			require.True(t, ok, "%s is lost", v.Name())
			require.Equal(t, k, w.Kind(), v.Name())
			require.True(t, v.Spec().Equal(w.Spec()), "%s is %v, read back as %v", v.Name(), v.Spec(), w.Spec())
			require.True(t, bytes.Equal(v.Init().Bytes(), w.Init().Bytes()), v.Name())
		}
	}
	in := randomInputs(g, 3)
	want, err := run(t, g, in)
	require.NoError(t, err)
	got, err := run(t, back, in)
	require.NoError(t, err)
	for i := range want {
		require.True(t, want[i].Spec().Equal(got[i].Spec()))
		require.True(t, bytes.Equal(want[i].Bytes(), got[i].Bytes()), "output %d differs", i)
	}
	require.True(t, bytes.Equal(b, bytesOf(t, back, o)), "the bytes of the second writing differ")
	return back
}

func TestZooRoundTrip(t *testing.T) {
	for _, m := range nn.Models() {
		t.Run(m.Name, func(t *testing.T) {
			if testing.Short() && m.Input.Numel() > 1<<11 {
				t.Skip("a network of full size")
			}
			g, err := nn.Build(m.Name, nil, 0, 1)
			require.NoError(t, err)
			disturb(t, g, 4)
			back := roundTrip(t, g, WriteOptions{})
			require.Equal(t, len(g.Nodes()), len(back.Nodes()))
			for i, n := range g.Nodes() {
				require.Equal(t, n.Op, back.Nodes()[i].Op, n.Name)
				require.Equal(t, n.Name, back.Nodes()[i].Name)
			}
		})
	}
}

// TestOperationsRoundTrip writes and reads every operation that has an ONNX
// operator, in surroundings that ask for both layouts.
func TestOperationsRoundTrip(t *testing.T) {
	type builder func(b *nn.Builder, x graph.Value) graph.Value
	apply := func(op backend.Op) builder {
		return func(b *nn.Builder, x graph.Value) graph.Value { return b.G.Apply(op, x) }
	}
	param := func(b *nn.Builder, name string, dims ...int) graph.Value {
		return b.Param(name, nn.HeNormal, 4, 4, dims...)
	}
	conv := func(b *nn.Builder, x graph.Value) graph.Value {
		return nn.Conv2D{Out: 5, Kernel: 3, Pad: 1, Name: "before"}.Forward(b, x)
	}
	seq := func(f ...builder) builder {
		return func(b *nn.Builder, x graph.Value) graph.Value {
			for _, g := range f {
				x = g(b, x)
			}
			return x
		}
	}
	image, sequence, matrix := []int{6, 7, 4}, []int{8, 6}, []int{12}
	pair := func(op backend.Op, dims ...int) builder {
		return func(b *nn.Builder, x graph.Value) graph.Value { return b.G.Apply(op, x, param(b, "operand", dims...)) }
	}
	tests := []struct {
		name  string
		input []int
		f     builder
	}{
		{"relu", image, seq(conv, apply(backend.Relu{}))},
		{"relu_native", matrix, apply(backend.Relu{})},
		{"clip", image, seq(conv, apply(backend.Clip{Lo: 0, Hi: 6}))},
		{"sigmoid", image, seq(conv, apply(backend.Sigmoid{}))},
		{"tanh", matrix, apply(backend.Tanh{})},
		{"exp", matrix, apply(backend.Exp{})},
		{"neg_exp_log", matrix, seq(apply(backend.Exp{}), apply(backend.Log{}), apply(backend.Neg{}))},
		{"sqrt", matrix, seq(apply(backend.Exp{}), apply(backend.Sqrt{}))},
		{"hard_swish", image, seq(conv, apply(backend.HardSwish{}))},
		{"hard_sigmoid", image, seq(conv, apply(backend.HardSigmoid{}))},
		{"leaky_relu", image, seq(conv, apply(backend.LeakyRelu{Alpha: 0.125}))},
		{"gelu", matrix, apply(backend.Gelu{})},
		{"gelu_tanh", matrix, apply(backend.Gelu{Tanh: true})},
		{"add_channel", image, seq(conv, pair(backend.Add{}, 5))},
		{"mul_image", image, seq(conv, pair(backend.Mul{}, 1, 6, 7, 5))},
		{"sub_matrix", matrix, pair(backend.Sub{}, 12)},
		{"div_sequence", sequence, pair(backend.Div{}, 8, 6)},
		{"scalar", image, seq(conv, func(b *nn.Builder, x graph.Value) graph.Value {
			return b.G.Apply(backend.Mul{}, x, b.G.Scalar(tensor.F32, 0.25))
		})},
		{"squeeze_excite", image, seq(conv, func(b *nn.Builder, x graph.Value) graph.Value {
			return b.G.Apply(backend.Mul{}, x, b.G.Apply(backend.Sigmoid{}, b.G.Apply(backend.GlobalAveragePool{KeepDims: true}, x)))
		})},
		{"conv_strided", image, func(b *nn.Builder, x graph.Value) graph.Value {
			return nn.Conv2D{Out: 6, Kernel: 3, KernelW: 5, Stride: 2, StrideW: 1, Pad: 1, PadW: 2, Groups: 2}.Forward(b, x)
		}},
		{"conv_dilated_same", image, func(b *nn.Builder, x graph.Value) graph.Value {
			return nn.Conv2D{Out: 3, Kernel: 3, Dilation: 2, Same: true, NoBias: true}.Forward(b, x)
		}},
		{"conv1d", sequence, func(b *nn.Builder, x graph.Value) graph.Value {
			return nn.Conv1D{Out: 5, Kernel: 3, Stride: 2, Pad: 1}.Forward(b, x)
		}},
		{"conv1d_pool", sequence, func(b *nn.Builder, x graph.Value) graph.Value {
			y := nn.Conv1D{Out: 5, Kernel: 3, Pad: 1}.Forward(b, x)
			return b.G.Apply(backend.MaxPool{Window: backend.Window{Stride: [2]int{1, 2}}, Kernel: [2]int{1, 2}}, y)
		}},
		{"max_pool", image, seq(conv, apply(backend.MaxPool{Window: backend.Window{Stride: [2]int{2, 3}, Pad: [4]int{1, 0, 0, 1}}, Kernel: [2]int{2, 3}, Ceil: true}))},
		{"average_pool", image, seq(conv, apply(backend.AveragePool{Window: backend.Window{Stride: [2]int{2, 2}, Pad: [4]int{1, 1, 0, 0}}, Kernel: [2]int{3, 2}, CountPad: true}))},
		{"global_pool", image, seq(conv, apply(backend.GlobalAveragePool{}))},
		{"batch_norm", image, seq(conv, func(b *nn.Builder, x graph.Value) graph.Value { return nn.BatchNorm{}.Forward(b, x) })},
		{"batch_norm_matrix", matrix, func(b *nn.Builder, x graph.Value) graph.Value {
			return nn.BatchNorm{Eps: 1e-3, Momentum: 0.01}.Forward(b, x)
		}},
		{"layer_norm", sequence, func(b *nn.Builder, x graph.Value) graph.Value { return nn.LayerNorm{}.Forward(b, x) }},
		{"layer_norm_after_conv", image, seq(conv, func(b *nn.Builder, x graph.Value) graph.Value { return nn.LayerNorm{}.Forward(b, x) })},
		{"linear", matrix, func(b *nn.Builder, x graph.Value) graph.Value { return nn.Linear{Out: 5}.Forward(b, x) }},
		{"linear_batched", sequence, func(b *nn.Builder, x graph.Value) graph.Value { return nn.Linear{Out: 5}.Forward(b, x) }},
		{"linear_batched_no_bias", sequence, func(b *nn.Builder, x graph.Value) graph.Value { return nn.Linear{Out: 5, NoBias: true}.Forward(b, x) }},
		{"flatten_linear", image, seq(conv, apply(backend.Flatten{}), func(b *nn.Builder, x graph.Value) graph.Value { return nn.Linear{Out: 3}.Forward(b, x) })},
		{"flatten_relu_linear", image, seq(conv, apply(backend.Flatten{}), apply(backend.Relu{}), func(b *nn.Builder, x graph.Value) graph.Value { return nn.Linear{Out: 3}.Forward(b, x) })},
		{"flatten_only", image, seq(conv, apply(backend.Flatten{}))},
		{"flatten_add", image, seq(conv, apply(backend.Flatten{}), pair(backend.Add{}, 210))},
		{"flatten_input", image, seq(apply(backend.Flatten{}), func(b *nn.Builder, x graph.Value) graph.Value { return nn.Linear{Out: 3}.Forward(b, x) })},
		{"matmul", sequence, func(b *nn.Builder, x graph.Value) graph.Value {
			return b.G.Apply(backend.MatMul{}, x, b.G.Apply(backend.Transpose{Perm: tensor.NewDims(0, 2, 1)}, x))
		}},
		{"softmax", matrix, apply(backend.Softmax{Axis: -1})},
		{"log_softmax", sequence, apply(backend.Softmax{Axis: 1, Log: true})},
		{"dropout", image, seq(conv, func(b *nn.Builder, x graph.Value) graph.Value { return nn.Dropout{P: 0.25}.Forward(b, x) })},
		{"reshape", image, seq(conv, apply(backend.Reshape{Shape: tensor.NewDims(0, -1, 5)}))},
		{"transpose", sequence, apply(backend.Transpose{Perm: tensor.NewDims(0, 2, 1)})},
		{"concat_channels", image, seq(conv, func(b *nn.Builder, x graph.Value) graph.Value {
			return b.G.Apply(backend.Concat{Axis: 3}, x, b.G.Apply(backend.Relu{}, x))
		})},
		{"concat_rows", image, seq(conv, func(b *nn.Builder, x graph.Value) graph.Value {
			return b.G.Apply(backend.Concat{Axis: 1}, x, b.G.Apply(backend.Relu{}, x))
		})},
		{"slice", image, seq(conv, apply(backend.Slice{Axes: tensor.NewDims(1, 3), Starts: tensor.NewDims(1, 0), Ends: tensor.NewDims(-1, 4), Steps: tensor.NewDims(2, 1)}))},
		{"pad", image, seq(conv, apply(backend.Pad{Before: tensor.NewDims(0, 1, 2, 0), After: tensor.NewDims(0, 0, 1, 3), Value: 0.5}))},
		{"pad_reflect", image, seq(conv, apply(backend.Pad{Before: tensor.NewDims(0, 1, 2, 0), After: tensor.NewDims(0, 0, 1, 0), Mode: backend.PadReflect}))},
		{"gather", sequence, func(b *nn.Builder, x graph.Value) graph.Value {
			return b.G.Apply(backend.Gather{Axis: 1}, x, b.G.Const("index", tensor.FromI64([]int64{3, 0, -1}, 3)))
		}},
		{"reduce_spatial", image, seq(conv, apply(backend.Reduce{Kind: backend.ReduceMean, Axes: tensor.NewDims(1, 2)}))},
		{"reduce_keep", image, seq(conv, apply(backend.Reduce{Kind: backend.ReduceMax, Axes: tensor.NewDims(3), KeepDims: true}))},
		{"reduce_l2", matrix, apply(backend.Reduce{Kind: backend.ReduceL2, Axes: tensor.NewDims(1), KeepDims: true})},
		{"reduce_sum_native", sequence, apply(backend.Reduce{Kind: backend.ReduceSum, Axes: tensor.NewDims(2)})},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			b := nn.NewBuilder(5)
			x := b.Input("input", test.input...)
			b.Output("output", test.f(b, x))
			g, err := b.Graph()
			require.NoError(t, err)
			disturb(t, g, 6)
			roundTrip(t, g, WriteOptions{})
			exportCase(t, "float_"+test.name, g, WriteOptions{})
			exportCase(t, "float_"+test.name+"_opset21", g, WriteOptions{Opset: 21})
		})
	}
}

func TestExternalData(t *testing.T) {
	g, err := nn.Build("mlp", nil, 0, 1)
	require.NoError(t, err)
	dir := t.TempDir()
	path := filepath.Join(dir, "m.onnx")
	require.NoError(t, WriteFile(path, g, WriteOptions{External: "m.data"}))
	info, err := os.Stat(path)
	require.NoError(t, err)
	require.Less(t, info.Size(), int64(20<<10))
	back, _, err := ReadFile(path, ReadOptions{})
	require.NoError(t, err)
	for _, v := range g.Values(graph.Param) {
		w, ok := back.Lookup(v.Name())
		require.True(t, ok)
		require.True(t, bytes.Equal(v.Init().Bytes(), w.Init().Bytes()), v.Name())
	}
	inline := bytesOf(t, g, WriteOptions{})
	require.True(t, bytes.Equal(inline, bytesOf(t, back, WriteOptions{})))

	b, err := os.ReadFile(path)
	require.NoError(t, err)
	_, _, err = Read(b, ReadOptions{})
	require.ErrorIs(t, err, ErrUnsupported)

	var model, data bytes.Buffer
	require.Error(t, Write(&model, g, WriteOptions{External: "m.data"}))
	require.Error(t, Write(&model, g, WriteOptions{External: "../m.data", ExternalWriter: &data}))
	require.NoError(t, Write(&model, g, WriteOptions{External: "m.data", ExternalWriter: &data}))
	require.True(t, bytes.Equal(b, model.Bytes()))
	file, err := os.ReadFile(filepath.Join(dir, "m.data"))
	require.NoError(t, err)
	require.True(t, bytes.Equal(file, data.Bytes()))
}

func TestInfoAndMetadata(t *testing.T) {
	g, err := nn.Build("cnn", nil, 0, 1)
	require.NoError(t, err)
	b := bytesOf(t, g, WriteOptions{Producer: "me", Name: "net", Doc: "a doc", Metadata: map[string]string{"b": "2", "a": "1"}})
	_, info, err := Read(b, ReadOptions{})
	require.NoError(t, err)
	require.Equal(t, "me", info.Producer)
	require.Equal(t, "a doc", info.Doc)
	require.Equal(t, 17, info.Opset)
	require.Equal(t, map[string]string{"a": "1", "b": "2", LayoutKey: "input"}, info.Metadata)
	require.Equal(t, []Port{{Name: "input", Type: "FLOAT", Dims: []int{-1, 1, 28, 28}, Symbols: []string{"batch", "", "", ""}, ChannelsLast: true}}, info.Inputs)
	require.Equal(t, "input FLOAT[batch, 1, 28, 28]", info.Inputs[0].String())
	require.Equal(t, []Port{{Name: "logits", Type: "FLOAT", Dims: []int{-1, 10}, Symbols: []string{"batch", ""}}}, info.Outputs)

	kept, info, err := Read(b, ReadOptions{KeepInputLayout: true, Batch: 3})
	require.NoError(t, err)
	require.False(t, info.Inputs[0].ChannelsLast)
	require.Equal(t, tensor.Of(tensor.F32, 3, 1, 28, 28), kept.Inputs()[0].Spec())
}
