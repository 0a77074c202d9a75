package onnx

import (
	"context"
	"math"
	"testing"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/graph"
	"github.com/goqat/goqat/nn"
	"github.com/goqat/goqat/onnx/internal/pb"
	"github.com/goqat/goqat/program"
	"github.com/goqat/goqat/qat"
	"github.com/goqat/goqat/tensor"
	"github.com/stretchr/testify/require"
)

// TestMNIST8 runs the model of the ONNX zoo. ONNX Runtime 1.32 gives the
// numbers.
func TestMNIST8(t *testing.T) {
	g, info, err := ReadFile(shared(t, "onnx-small/mnist-8.onnx"), ReadOptions{})
	require.NoError(t, err)
	require.Equal(t, 8, info.Opset)
	require.True(t, info.Inputs[0].ChannelsLast)
	x := tensor.New(g.Inputs()[0].Spec())
	require.Equal(t, tensor.Shape{1, 28, 28, 1}, x.Shape())
	for i := range x.F32() {
		x.F32()[i] = float32(i%256) - 100
	}
	out, err := run(t, g, []*tensor.Tensor{x})
	require.NoError(t, err)
	want := []float32{-156.27500915527344, 529.0342407226562, 1869.1337890625, 602.3057250976562, -1607.466796875, 1675.5015869140625, -762.0242309570312, 643.103271484375, -1137.2799072265625, -1161.6812744140625}
	require.NoError(t, closeTo(out[0], tensor.FromF32(want, 1, 10), 1e-4, 1e-2))
	// The reshapes of the file are made for one image; the graph takes more.
	low, err := graph.Lower(g, graph.Eval, 3)
	require.NoError(t, err)
	require.Equal(t, tensor.Shape{3, 10}, low.Outputs()[0].Value.Shape())
}

// TestTrainable reads a float model back and differentiates it.
func TestTrainable(t *testing.T) {
	g, err := nn.Build("cnn", nil, 0, 1)
	require.NoError(t, err)
	back, _, err := Read(bytesOf(t, g, WriteOptions{}), ReadOptions{})
	require.NoError(t, err)
	labels := back.Input("labels", tensor.Of(tensor.I32, 1))
	loss := back.ApplyN(backend.SoftmaxCrossEntropy{}, back.Outputs()[0].Value, labels)
	require.NoError(t, back.Err())
	back.Output("loss", loss[0])
	b, err := backend.Open("cpu")
	require.NoError(t, err)
	p, err := program.Compile(context.Background(), back, program.Options{Backend: b, Mode: graph.Mode{Train: true}, Batch: 4, Loss: "loss"})
	require.NoError(t, err)
	require.NoError(t, p.Run(context.Background()))
	for _, v := range g.Values(graph.Param) {
		_, err := p.Output("grad." + v.Name())
		require.NoError(t, err)
	}
	_, err = qat.Prepare(back, qat.Default())
	require.NoError(t, err)
}

func TestKeepInputLayout(t *testing.T) {
	g, err := nn.Build("resnet8", nil, 0, 1)
	require.NoError(t, err)
	b := bytesOf(t, g, WriteOptions{})
	last, _, err := Read(b, ReadOptions{})
	require.NoError(t, err)
	first, info, err := Read(b, ReadOptions{KeepInputLayout: true})
	require.NoError(t, err)
	require.False(t, info.Inputs[0].ChannelsLast)
	x := randomInputs(last, 1)
	y := tensor.New(first.Inputs()[0].Spec())
	require.Equal(t, tensor.Shape{1, 3, 32, 32}, y.Shape())
	permute(x[0], y, toFirst(4))
	want, err := run(t, last, x)
	require.NoError(t, err)
	got, err := run(t, first, []*tensor.Tensor{y})
	require.NoError(t, err)
	require.Equal(t, want[0].F32(), got[0].F32())
}

func floats(v ...float32) func(m *pb.Message) {
	return func(m *pb.Message) { m.Bytes(9, tensor.FromF32(v, len(v)).Bytes()) }
}

func ints(v ...int64) func(m *pb.Message) { return func(m *pb.Message) { m.Ints(7, v) } }

// TestShapeArithmetic reads what PyTorch writes for x.view(x.size(0), -1).
func TestShapeArithmetic(t *testing.T) {
	w := make([]float32, 12*2)
	for i := range w {
		w[i] = float32(i)
	}
	f := file{
		inputs:  []*pb.Message{port("x", pb.Float, math.MinInt64, 3, 2, 2)},
		outputs: []*pb.Message{port("y", pb.Float, math.MinInt64, 2)},
		inits: []*pb.Message{initializer("zero", pb.Int64, nil, ints(0)), initializer("axes", pb.Int64, []int64{1}, ints(0)),
			initializer("rest", pb.Int64, []int64{1}, ints(-1)), initializer("w", pb.Float, []int64{12, 2}, floats(w...))},
		nodes: []*pb.Message{
			node("Relu", []string{"x"}, []string{"r"}),
			node("Shape", []string{"r"}, []string{"shape"}),
			node("Gather", []string{"shape", "zero"}, []string{"batch"}),
			node("Unsqueeze", []string{"batch", "axes"}, []string{"list"}),
			node("Concat", []string{"list", "rest"}, []string{"target"}, attrInt("axis", 0)),
			node("Reshape", []string{"r", "target"}, []string{"flat"}),
			node("MatMul", []string{"flat", "w"}, []string{"y"}),
		},
	}
	for _, keep := range []bool{false, true} {
		g, info, err := Read(f.bytes(), ReadOptions{KeepInputLayout: keep})
		require.NoError(t, err)
		require.Equal(t, !keep, info.Inputs[0].ChannelsLast)
		low, err := graph.Lower(g, graph.Eval, 5)
		require.NoError(t, err)
		x := tensor.New(low.Inputs()[0].Spec())
		for i := range 5 * 12 {
			k := i
			if !keep { // [n, 2, 2, 3] from [n, 3, 2, 2]
				n, c, s := i/12, i/4%3, i%4
				k = n*12 + s*3 + c
			}
			x.F32()[k] = float32(i)
		}
		out, err := run(t, low, []*tensor.Tensor{x})
		require.NoError(t, err)
		want := make([]float32, 10)
		for n := range 5 {
			for k := range 12 {
				for o := range 2 {
					want[2*n+o] += float32(12*n+k) * w[2*k+o]
				}
			}
		}
		require.Equal(t, want, out[0].F32())
	}
}

// TestForeignQDQ reads a model as other exporters write it: a matrix [k, n]
// with a scale a column.
func TestForeignQDQ(t *testing.T) {
	f := file{
		inputs:  []*pb.Message{port("x", pb.Float, 1, 3)},
		outputs: []*pb.Message{port("y", pb.Float)},
		inits: []*pb.Message{
			initializer("sx", pb.Float, nil, floats(0.5)), initializer("zx", pb.Uint8, nil, func(m *pb.Message) { m.Bytes(9, []byte{10}) }),
			initializer("w", pb.Int8, []int64{3, 2}, func(m *pb.Message) { m.Bytes(9, []byte{1, 2, 3, 4, 5, 0xfa}) }),
			initializer("sw", pb.Float, []int64{2}, floats(1, 0.25)), initializer("zw", pb.Int8, []int64{2}, func(m *pb.Message) { m.Bytes(9, []byte{0, 1}) }),
		},
		nodes: []*pb.Message{
			node("QuantizeLinear", []string{"x", "sx", "zx"}, []string{"q"}),
			node("DequantizeLinear", []string{"q", "sx", "zx"}, []string{"xr"}),
			node("DequantizeLinear", []string{"w", "sw", "zw"}, []string{"wr"}, attrInt("axis", 1)),
			node("MatMul", []string{"xr", "wr"}, []string{"y"}),
		},
	}
	g, _, err := Read(f.bytes(), ReadOptions{})
	require.NoError(t, err)
	out, err := run(t, g, []*tensor.Tensor{tensor.FromF32([]float32{1, 0.8, -100}, 1, 3)})
	require.NoError(t, err)
	// x is 1, 1 (0.8 rounds to the grid), -5 (saturated).
	require.Equal(t, []float32{1 + 3 - 25, 0.25*1 + 0.25*3 - 5*0.25*-7}, out[0].F32())
	n, _ := g.Outputs()[0].Value.Producer()
	require.Equal(t, backend.Gemm{}, n.Op)
}

// TestQDQConvertsBack makes integers of a QDQ file again: the same codes as
// the model that was written.
func TestQDQConvertsBack(t *testing.T) {
	for _, name := range []string{"cnn", "lenet", "resnet8", "ds-cnn"} {
		g, err := nn.Build(name, nil, 0, 1)
		require.NoError(t, err)
		g = converted(t, g, qat.Default())
		back, _, err := Read(bytesOf(t, g, WriteOptions{}), ReadOptions{})
		require.NoError(t, err)
		b, err := backend.Open("cpu")
		require.NoError(t, err)
		prepared, c, err := qat.FromQDQ(context.Background(), back, b)
		require.NoError(t, err, name)
		m, err := qat.Convert(context.Background(), prepared, c, b)
		require.NoError(t, err, name)
		require.Equal(t, batchOf(t, g, 2, 9).F32(), batchOf(t, m.Graph, 2, 9).F32(), name)
	}
}

func TestEveryOperatorIsWrittenAndRead(t *testing.T) {
	for _, name := range graph.Registered() {
		d := graph.Lookup(name)
		if d.ONNX == "" {
			continue
		}
		require.Contains(t, writers, name)
		domain, op := "", d.ONNX
		for i := range op {
			if op[i] == ':' {
				domain, op = op[:i], op[i+1:]
				break
			}
		}
		require.Contains(t, readers, opName(domain, op))
	}
}

func TestOpsetBounds(t *testing.T) {
	b := nn.NewBuilder(1)
	x := b.Input("x", 4)
	b.Output("y", b.G.Apply(backend.Gelu{}, x))
	g, err := b.Graph()
	require.NoError(t, err)
	_, info, err := Read(bytesOf(t, g, WriteOptions{}), ReadOptions{})
	require.NoError(t, err)
	require.Equal(t, 20, info.Opset)
	for _, v := range []int{12, 17, 22} {
		require.ErrorIs(t, Write(&discard{}, g, WriteOptions{Opset: v}), ErrUnsupported, "operator set %d", v)
	}
	require.NoError(t, Write(&discard{}, g, WriteOptions{Opset: 21}))
}

type discard struct{}

func (*discard) Write(p []byte) (int, error) { return len(p), nil }
