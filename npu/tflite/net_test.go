package tflite

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/graph"
	"github.com/goqat/goqat/qat"
	"github.com/goqat/goqat/quant"
	"github.com/goqat/goqat/tensor"

	_ "github.com/goqat/goqat/backend/cpu"
	_ "github.com/goqat/goqat/op"

	"github.com/stretchr/testify/require"
)

var inf = float32(math.Inf(1))

// net builds converted models by hand with random weights and parameters.
type net struct {
	g    *graph.Graph
	r    *rand.Rand
	rule quant.Rule
	bits int
}

// codes are quantized codes under construction.
type codes struct {
	v    graph.Value
	s, z graph.Value
}

func newNet(seed uint64) *net {
	return &net{g: graph.New(), r: rand.New(rand.NewPCG(seed, 7)), rule: quant.TFLite, bits: 8}
}

func (n *net) scheme() quant.Scheme { return quant.Activations(n.bits, true) }

// between returns a scale in [lo, 2 lo), log-uniform.
func (n *net) between(lo float64) float32 { return float32(lo * math.Exp2(n.r.Float64())) }

func (n *net) params(scale float32, zero int32) (s, z graph.Value) {
	return n.g.Const("scale", tensor.FromF32([]float32{scale}, 1)), n.g.Const("zero", tensor.FromI32([]int32{zero}, 1))
}

func (n *net) zero() int32 { return n.r.Int32N(101) - 50 }

func (n *net) codes(v graph.Value, s, z graph.Value) codes {
	n.g.SetCodes(graph.Codes{Value: v, Scale: s, Zero: z, Scheme: n.scheme(), Rule: n.rule})
	return codes{v, s, z}
}

func (n *net) input(name string, dims ...int) codes {
	x := n.g.Input(name, tensor.Of(tensor.F32, dims...))
	s, z := n.params(n.between(0.02), n.zero())
	return n.codes(n.g.Apply(backend.QuantizeLinear{Rule: n.rule, Scheme: n.scheme()}, x, s, z), s, z)
}

func (n *net) output(name string, c codes) {
	n.g.Output(name, n.g.Apply(backend.DequantizeLinear{Scheme: n.scheme()}, c.v, c.s, c.z))
}

func (n *net) weights(out int, dims ...int) (w, s graph.Value, scales []float32) {
	t := tensor.New(tensor.Of(tensor.I8, append([]int{out}, dims...)...))
	for i := range t.I8() {
		t.I8()[i] = int8(n.r.IntN(255) - 127)
	}
	scales = make([]float32, out)
	for i := range scales {
		scales[i] = n.between(0.004)
	}
	return n.g.Const("weight", t), n.g.Const("wscale", tensor.FromF32(scales, out)), scales
}

// after returns the scale of a result of k products.
func (n *net) after(x codes, k int) (float32, graph.Value, graph.Value) {
	sy := x.s.Init().F32()[0] * 0.005 * float32(math.Sqrt(float64(k))) * n.between(50)
	s, z := n.params(sy, n.zero())
	return sy, s, z
}

func (n *net) bias(out, k int) graph.Value {
	t := tensor.New(tensor.Of(tensor.I32, out))
	span := int32(4000 * math.Sqrt(float64(k)))
	for i := range t.I32() {
		t.I32()[i] = n.r.Int32N(2*span) - span
	}
	return n.g.Const("bias", t)
}

func (n *net) conv(x codes, c backend.Conv, lo, hi float32, out int, kernel ...int) codes {
	in := x.v.Shape().Last() / max(c.Groups, 1)
	w, sw, _ := n.weights(out, append(append([]int{}, kernel...), in)...)
	k := in
	for _, d := range kernel {
		k *= d
	}
	_, s, z := n.after(x, k)
	op := backend.QLinearConv{Conv: c, Rule: n.rule, Scheme: n.scheme(), Lo: lo, Hi: hi}
	return n.codes(n.g.Apply(op, x.v, x.s, x.z, w, sw, graph.Value{}, s, z, n.bias(out, k)), s, z)
}

func (n *net) gemm(x codes, lo, hi float32, out int) codes {
	k := x.v.Shape().Last()
	w, sw, _ := n.weights(out, k)
	_, s, z := n.after(x, k)
	op := backend.QLinearGemm{Rule: n.rule, Scheme: n.scheme(), Lo: lo, Hi: hi}
	return n.codes(n.g.Apply(op, x.v, x.s, x.z, w, sw, graph.Value{}, s, z, n.bias(out, k)), s, z)
}

// pair applies a qlinear_add or its kind with a result scale of about lo.
func (n *net) pair(op backend.Op, a, b codes, lo float64) codes {
	s, z := n.params(n.between(lo), n.zero())
	return n.codes(n.g.Apply(op, a.v, a.s, a.z, b.v, b.s, b.z, s, z), s, z)
}

func (n *net) add(a, b codes, lo, hi float32) codes {
	return n.pair(backend.QLinearAdd{Rule: n.rule, Scheme: n.scheme(), Lo: lo, Hi: hi}, a, b, 0.04)
}

// same applies an operation that keeps the parameters.
func (n *net) same(op backend.Op, x codes, more ...graph.Value) codes {
	return n.codes(n.g.Apply(op, append([]graph.Value{x.v}, more...)...), x.s, x.z)
}

func (n *net) model(t testing.TB) *qat.Model {
	t.Helper()
	require.NoError(t, n.g.Err())
	return &qat.Model{Graph: n.g, Rule: n.rule, Config: Target{}.Config()}
}

func slide(stride, dilation, top, left, bottom, right int) backend.Window {
	return backend.Window{Stride: [2]int{stride, stride}, Dilation: [2]int{dilation, dilation}, Pad: [4]int{top, left, bottom, right}}
}

// cases are models that cover every lowering.
var cases = []struct {
	name  string
	build func(n *net)
	// ops are the operators that the file must have, in order.
	ops []string
}{
	{"conv_same", func(n *net) {
		n.output("y", n.conv(n.input("x", 1, 9, 7, 3), backend.Conv{Window: slide(1, 1, 1, 1, 1, 1)}, 0, inf, 8, 3, 3))
	}, []string{"CONV_2D"}},
	{"conv_stride_valid", func(n *net) {
		n.output("y", n.conv(n.input("x", 2, 10, 11, 4), backend.Conv{Window: slide(2, 1, 0, 0, 0, 0)}, -inf, inf, 5, 3, 2))
	}, []string{"CONV_2D"}},
	{"conv_stride_same", func(n *net) {
		n.output("y", n.conv(n.input("x", 1, 8, 8, 4), backend.Conv{Window: slide(2, 1, 0, 0, 1, 1)}, 0, 6, 5, 3, 3))
	}, []string{"CONV_2D"}},
	{"conv_pad", func(n *net) { // PyTorch's padding 1 at stride 2.
		n.output("y", n.conv(n.input("x", 1, 8, 8, 4), backend.Conv{Window: slide(2, 1, 1, 1, 1, 1)}, 0, inf, 5, 3, 3))
	}, []string{"PAD", "CONV_2D"}},
	{"conv_dilation", func(n *net) {
		n.output("y", n.conv(n.input("x", 1, 9, 9, 3), backend.Conv{Window: slide(1, 2, 2, 2, 2, 2)}, -1, 1, 6, 3, 3))
	}, []string{"CONV_2D"}},
	{"conv_groups", func(n *net) {
		n.output("y", n.conv(n.input("x", 1, 6, 6, 8), backend.Conv{Window: slide(1, 1, 1, 1, 1, 1), Groups: 2}, 0, inf, 6, 3, 3))
	}, []string{"CONV_2D"}},
	{"conv_one_channel", func(n *net) {
		n.output("y", n.conv(n.input("x", 1, 5, 5, 1), backend.Conv{Window: slide(1, 1, 0, 0, 0, 0)}, -inf, inf, 1, 3, 3))
	}, []string{"CONV_2D"}},
	{"conv_1d", func(n *net) {
		n.output("y", n.conv(n.input("x", 2, 20, 3), backend.Conv{Window: slide(2, 1, 0, 2, 0, 2)}, 0, inf, 4, 5))
	}, []string{"RESHAPE", "PAD", "CONV_2D", "RESHAPE"}},
	{"depthwise", func(n *net) {
		x := n.conv(n.input("x", 1, 8, 8, 6), backend.Conv{Window: slide(1, 1, 1, 1, 1, 1), Groups: 6}, 0, 6, 6, 3, 3)
		n.output("y", n.conv(x, backend.Conv{Window: slide(2, 1, 0, 0, 1, 1), Groups: 6}, 0, inf, 12, 3, 3))
	}, []string{"DEPTHWISE_CONV_2D", "DEPTHWISE_CONV_2D"}},
	{"gemm", func(n *net) { n.output("y", n.gemm(n.gemm(n.input("x", 3, 37), 0, inf, 20), -inf, inf, 10)) },
		[]string{"RESHAPE", "CONV_2D", "CONV_2D", "RESHAPE"}},
	{"gemm_3d", func(n *net) { n.output("y", n.gemm(n.input("x", 2, 5, 12), -inf, inf, 7)) },
		[]string{"RESHAPE", "CONV_2D", "RESHAPE"}},
	{"add", func(n *net) {
		n.output("y", n.add(n.input("a", 1, 4, 5, 6), n.input("b", 1, 4, 5, 6), 0, inf))
	}, []string{"ADD"}},
	{"add_broadcast", func(n *net) {
		n.output("y", n.add(n.input("a", 2, 4, 5, 6), n.input("b", 1, 1, 1, 6), -inf, inf))
	}, []string{"ADD"}},
	{"add_constant", func(n *net) {
		t := tensor.New(tensor.Of(tensor.I8, 6))
		for i := range t.I8() {
			t.I8()[i] = int8(n.r.IntN(256) - 128)
		}
		s, z := n.params(n.between(0.01), n.zero())
		n.output("y", n.add(n.input("a", 1, 4, 6), codes{n.g.Const("c", t), s, z}, -inf, inf))
	}, []string{"ADD"}},
	{"sub", func(n *net) {
		op := backend.QLinearSub{Rule: n.rule, Scheme: n.scheme()}
		n.output("y", n.pair(op, n.input("a", 1, 8, 9, 16), n.input("b", 1, 8, 9, 16), 0.04))
	}, []string{"SUB"}},
	{"mul", func(n *net) {
		op := backend.QLinearMul{Rule: n.rule, Scheme: n.scheme(), Lo: 0, Hi: 6}
		n.output("y", n.pair(op, n.input("a", 1, 8, 9, 16), n.input("b", 1, 8, 9, 16), 0.05))
	}, []string{"MUL"}},
	{"max_pool", func(n *net) {
		x := n.same(backend.MaxPool{Window: slide(2, 1, 0, 0, 0, 0), Kernel: [2]int{2, 2}}, n.input("x", 1, 12, 13, 3))
		n.output("y", n.same(backend.MaxPool{Window: slide(1, 1, 1, 1, 1, 1), Kernel: [2]int{3, 3}}, x))
	}, []string{"MAX_POOL_2D", "MAX_POOL_2D"}},
	{"max_pool_pad", func(n *net) {
		n.output("y", n.same(backend.MaxPool{Window: slide(2, 1, 1, 1, 1, 1), Kernel: [2]int{3, 3}}, n.input("x", 1, 8, 8, 3)))
	}, []string{"PADV2", "MAX_POOL_2D"}},
	{"average_pool", func(n *net) {
		pool := func(w backend.Window, k [2]int, count bool, x codes) codes {
			return n.same(backend.QLinearAveragePool{AveragePool: backend.AveragePool{Window: w, Kernel: k, CountPad: count}, Rule: n.rule, Scheme: n.scheme()}, x, x.z)
		}
		x := pool(slide(1, 1, 1, 1, 1, 1), [2]int{3, 3}, false, n.input("x", 1, 12, 13, 3))
		x = pool(slide(1, 1, 1, 1, 1, 1), [2]int{3, 3}, true, x)
		n.output("y", pool(slide(2, 1, 0, 0, 0, 0), [2]int{2, 3}, true, x))
	}, []string{"AVERAGE_POOL_2D", "PAD", "AVERAGE_POOL_2D", "AVERAGE_POOL_2D"}},
	{"global_average_pool", func(n *net) {
		x := n.input("x", 1, 7, 5, 9)
		n.output("y", n.same(backend.QLinearGlobalAveragePool{Rule: n.rule, Scheme: n.scheme()}, x, x.z))
	}, []string{"AVERAGE_POOL_2D", "RESHAPE"}},
	{"shapes", func(n *net) {
		x := n.same(backend.Transpose{Perm: tensor.NewDims(0, 2, 3, 1)}, n.input("x", 1, 3, 4, 5))
		x = n.same(backend.Pad{Before: tensor.NewDims(0, 1, 0, 2), After: tensor.NewDims(0, 2, 1, 0)}, x, x.z)
		x = n.same(backend.Slice{Axes: tensor.NewDims(1, 3), Starts: tensor.NewDims(1, 0), Ends: tensor.NewDims(5, 4)}, x)
		x = n.same(backend.Slice{Axes: tensor.NewDims(2, 1), Starts: tensor.NewDims(0, -1), Ends: tensor.NewDims(100, -100), Steps: tensor.NewDims(2, -1)}, x)
		y := n.same(backend.Concat{Axis: 2}, x, x.v)
		y = n.same(backend.Reshape{Shape: tensor.NewDims(0, 2, -1)}, y)
		n.output("y", n.same(backend.Flatten{}, y))
	}, []string{"TRANSPOSE", "PAD", "SLICE", "STRIDED_SLICE", "CONCATENATION", "RESHAPE"}},
	{"pad_value", func(n *net) {
		x := n.input("x", 1, 3, 4, 5)
		v := n.g.Const("value", tensor.FromI32([]int32{-77}, 1))
		n.output("y", n.same(backend.Pad{Before: tensor.NewDims(0, 1, 0, 2), After: tensor.NewDims(0, 2, 1, 0)}, x, v))
	}, []string{"PADV2"}},
	{"requantize", func(n *net) {
		x := n.input("x", 4, 64)
		s, z := n.params(n.between(0.01), n.zero())
		n.output("y", n.codes(n.g.Apply(backend.Requantize{Rule: n.rule, In: n.scheme(), Scheme: n.scheme()}, x.v, x.s, x.z, s, z), s, z))
	}, []string{"QUANTIZE"}},
	{"two_outputs", func(n *net) {
		x := n.conv(n.input("x", 1, 6, 6, 3), backend.Conv{Window: slide(1, 1, 1, 1, 1, 1)}, 0, inf, 4, 3, 3)
		n.output("features", x)
		n.output("logits", n.gemm(n.same(backend.Flatten{}, x), -inf, inf, 3))
	}, []string{"CONV_2D", "RESHAPE", "CONV_2D", "RESHAPE"}},
}
