package tflite

import (
	"bytes"
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"os"
	"testing"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/graph"
	"github.com/goqat/goqat/qat"
	"github.com/goqat/goqat/quant"
	"github.com/goqat/goqat/target"
	"github.com/goqat/goqat/tensor"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func cpu(t testing.TB) backend.Backend {
	b, err := backend.Open("cpu")
	require.NoError(t, err)
	return b
}

func lowered(t testing.TB, m *qat.Model) *Artifact {
	t.Helper()
	a, err := Target{}.Lower(context.Background(), m)
	require.NoError(t, err)
	return a.(*Artifact)
}

// port is an input or output of a graph with the parameters of its codes.
type port struct {
	name  string
	shape tensor.Shape
	params
}

// ports returns inputs and outputs of a graph of codes.
func ports(t testing.TB, g *graph.Graph) (in, out []port) {
	t.Helper()
	for _, v := range g.Inputs() {
		for _, n := range g.Nodes() {
			if _, ok := n.Op.(backend.QuantizeLinear); ok && n.In[0] == v {
				s, z, err := target.Params(n, 1, 2)
				require.NoError(t, err)
				in = append(in, port{v.Name(), v.Shape(), params{s, z}})
			}
		}
	}
	for _, o := range g.Outputs() {
		n, _ := o.Value.Producer()
		require.IsType(t, backend.DequantizeLinear{}, n.Op)
		s, z, err := target.Params(n, 1, 2)
		require.NoError(t, err)
		out = append(out, port{o.Name, o.Value.Shape(), params{s, z}})
	}
	return in, out
}

// randomCodes returns reals that quantize to random codes, and those codes.
func randomCodes(r *rand.Rand, p port) (*tensor.Tensor, *tensor.Tensor) {
	x, c := tensor.New(tensor.Spec{DType: tensor.F32, Shape: p.shape}), tensor.New(tensor.Spec{DType: tensor.I8, Shape: p.shape})
	for i := range c.I8() {
		c.I8()[i] = int8(r.IntN(256) - 128)
		x.F32()[i] = quant.Dequantize(int32(c.I8()[i]), p.zero, p.scale)
	}
	return x, c
}

// codesOf returns the codes that reals on the grid of p stand for.
func codesOf(x *tensor.Tensor, p port) *tensor.Tensor {
	c := tensor.New(tensor.Spec{DType: tensor.I8, Shape: x.Shape()})
	for i, v := range x.F32() {
		c.I8()[i] = int8(math.Round(float64(v)/float64(p.scale)) + float64(p.zero))
	}
	return c
}

// runGraph returns the codes of all outputs of g.
func runGraph(t testing.TB, g *graph.Graph, in []*tensor.Tensor) []*tensor.Tensor {
	t.Helper()
	ctx := context.Background()
	s, err := target.OpenGraph(ctx, g, cpu(t), 0)
	require.NoError(t, err)
	_, ports := ports(t, g)
	var out, codes []*tensor.Tensor
	for _, p := range s.Outputs() {
		out = append(out, tensor.New(p.Spec))
	}
	require.NoError(t, s.Run(ctx, in, out))
	for i := range out {
		codes = append(codes, codesOf(out[i], ports[i]))
	}
	return codes
}

func operators(t testing.TB, file []byte) []string {
	t.Helper()
	m, err := decode(file)
	require.NoError(t, err)
	var names []string
	for _, o := range m.operators {
		names = append(names, opName(o.code))
	}
	return names
}

// The file's graph gives the model's codes, bit for bit.
func TestFilesComputeWhatTheModelDoes(t *testing.T) {
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			for seed := range uint64(3) {
				n := newNet(seed)
				c.build(n)
				m := n.model(t)
				assert.Empty(t, fatal(Target{}.Check(m)))
				a := lowered(t, m)
				assert.Equal(t, c.ops, operators(t, a.file))
				r := rand.New(rand.NewPCG(seed, 1))
				for range 5 {
					var in []*tensor.Tensor
					ins, _ := ports(t, m.Graph)
					for _, p := range ins {
						x, _ := randomCodes(r, p)
						in = append(in, x)
					}
					want, got := runGraph(t, m.Graph, in), runGraph(t, a.graph, in)
					require.Equal(t, len(want), len(got))
					for i := range want {
						require.Equal(t, want[i].Shape(), got[i].Shape())
						require.Equal(t, want[i].I8(), got[i].I8(), "output %d", i)
					}
				}
			}
		})
	}
}

func fatal(vs []target.Violation) []target.Violation {
	var f []target.Violation
	for _, v := range vs {
		if v.Fatal {
			f = append(f, v)
		}
	}
	return f
}

func TestFilesAreDeterministic(t *testing.T) {
	for _, c := range cases {
		var files [2]bytes.Buffer
		for i := range files {
			n := newNet(5)
			c.build(n)
			a := lowered(t, n.model(t))
			k, err := a.WriteTo(&files[i])
			require.NoError(t, err)
			require.EqualValues(t, files[i].Len(), k)
		}
		require.Equal(t, files[0].Bytes(), files[1].Bytes(), c.name)
		require.Equal(t, "TFL3", string(files[0].Bytes()[4:8]))
	}
}

// Weights lie at multiples of 16 bytes in the file.
func TestBuffersAreAligned(t *testing.T) {
	for _, c := range cases {
		n := newNet(5)
		c.build(n)
		a := lowered(t, n.model(t))
		r := &reader{b: a.file}
		buffers := r.table(r.target(0)).vector(4, 4)
		require.Positive(t, buffers.len)
		for i := range buffers.len {
			if data := buffers.table(i).vector(0, 1); data.present {
				require.Zero(t, data.at%bufferAlignment, c.name)
			}
		}
		require.NoError(t, r.err)
	}
}

func TestSessionsTakeABatch(t *testing.T) {
	n := newNet(3)
	x := n.conv(n.input("x", 1, 8, 8, 3), backend.Conv{Window: slide(2, 1, 1, 1, 1, 1)}, 0, inf, 4, 3, 3)
	n.output("y", n.gemm(n.same(backend.Flatten{}, x), -inf, inf, 3))
	m := n.model(t)
	a := lowered(t, m)
	ctx := context.Background()
	s, err := a.Open(ctx, cpu(t), 5)
	require.NoError(t, err)
	defer s.Close()
	require.Equal(t, tensor.Shape{5, 8, 8, 3}, s.Inputs()[0].Spec.Shape)
	require.Equal(t, tensor.Shape{5, 3}, s.Outputs()[0].Spec.Shape)
	require.Equal(t, "y", s.Outputs()[0].Name)
	r := rand.New(rand.NewPCG(1, 1))
	ins, _ := ports(t, m.Graph)
	ins[0].shape = tensor.Shape{5, 8, 8, 3}
	in, _ := randomCodes(r, ins[0])
	out := tensor.New(s.Outputs()[0].Spec)
	require.NoError(t, s.Run(ctx, []*tensor.Tensor{in}, []*tensor.Tensor{out}))
	for i := range 5 {
		one, err := in.View(i, i+1)
		require.NoError(t, err)
		want := runGraph(t, m.Graph, []*tensor.Tensor{one})
		row, err := out.View(i, i+1)
		require.NoError(t, err)
		_, outs := ports(t, m.Graph)
		require.Equal(t, want[0].I8(), codesOf(row, outs[0]).I8())
	}
}

func TestConfigIsValid(t *testing.T) {
	c := Target{}.Config()
	require.NoError(t, c.Validate())
	require.Equal(t, "tflite", c.Rule)
	tgt, err := target.Lookup("tflite")
	require.NoError(t, err)
	require.NoError(t, tgt.Runnable())
	require.NotEmpty(t, tgt.Constraints())
}

// Every violation is named at once.
func TestCheckListsEveryViolation(t *testing.T) {
	n := newNet(1)
	n.rule = quant.ONNX
	x := n.input("x", 1, 6, 6, 2)
	w := tensor.New(tensor.Of(tensor.I8, 3, 1, 1, 2))
	w.I8()[1] = -128
	s, z := n.params(0.1, 0)
	c := backend.QLinearConv{Conv: backend.Conv{Window: slide(1, 1, 0, 0, 0, 0)}, Rule: n.rule, Scheme: n.scheme(), Lo: 0, Hi: 2.5}
	y := n.g.Apply(c, x.v, x.s, x.z, n.g.Const("w", w), n.g.Const("sw", tensor.FromF32([]float32{1, 1, 1e-44}, 3)), graph.Value{}, s, z)
	f := n.g.Apply(backend.Softmax{Axis: -1}, n.g.Apply(backend.DequantizeLinear{Scheme: n.scheme()}, y, s, z))
	n.g.Output("y", f)
	vs := Target{}.Check(n.model(t))
	var all string
	for _, v := range vs {
		assert.True(t, v.Fatal)
		all += v.String() + "\n"
	}
	assert.Contains(t, all, "rule: the model is converted for onnx")
	assert.Contains(t, all, "weight 1 is -128")
	assert.Contains(t, all, "scale 2 is 1e-44")
	assert.Contains(t, all, "softmax has no int8 form")
	_, err := Target{}.Lower(context.Background(), n.model(t))
	var refused *target.ViolationError
	require.ErrorAs(t, err, &refused)
	require.Equal(t, "tflite", refused.Target)
	require.Len(t, refused.Violations, len(vs))
}

func TestCheckRefuses(t *testing.T) {
	conv := backend.Conv{Window: slide(1, 1, 0, 0, 0, 0)}
	for _, c := range []struct {
		name, want string
		build      func(n *net)
	}{
		{"clamp that is no activation", "which is no activation", func(n *net) {
			n.output("y", n.conv(n.input("x", 1, 4, 4, 2), conv, 0, 0.01, 3, 1, 1))
		}},
		{"four bits", "codes are clamped to [-8, 7]", func(n *net) {
			n.bits = 4
			x := n.g.Input("x", tensor.Of(tensor.F32, 1, 4))
			s, z := n.params(0.1, 1)
			n.output("y", n.codes(n.g.Apply(backend.QuantizeLinear{Rule: n.rule, Scheme: n.scheme()}, x, s, z), s, z))
		}},
		{"unsigned", "want int8 with one scale", func(n *net) {
			x := n.g.Input("x", tensor.Of(tensor.F32, 1, 4))
			s, z := n.params(0.1, 1)
			y := n.g.Apply(backend.QuantizeLinear{Rule: n.rule, Scheme: quant.UInt8()}, x, s, z)
			n.output("y", codes{n.g.Apply(backend.Flatten{}, y), s, z})
		}},
		{"real output", "has a real result", func(n *net) {
			x := n.input("x", 1, 4)
			w, sw, _ := n.weights(3, 4)
			n.g.Output("y", n.g.Apply(backend.GemmDequant{}, x.v, x.s, x.z, w, sw))
		}},
		{"real input", "without being quantized", func(n *net) {
			n.g.Output("y", n.g.Apply(backend.Relu{}, n.g.Input("x", tensor.Of(tensor.F32, 1, 4))))
		}},
		{"average pool", "neither SAME nor VALID", func(n *net) {
			x := n.input("x", 1, 8, 8, 2)
			op := backend.QLinearAveragePool{AveragePool: backend.AveragePool{Window: slide(2, 1, 1, 1, 1, 1), Kernel: [2]int{3, 3}}, Rule: n.rule, Scheme: n.scheme()}
			n.output("y", n.same(op, x, x.z))
		}},
		{"tanh scale", "TANH has scale", func(n *net) {
			x := n.input("x", 1, 8)
			s, z := n.params(0.01, 0)
			n.output("y", n.codes(n.g.Apply(backend.QLinearUnary{Func: backend.UnaryTanh, Rule: n.rule, Scheme: n.scheme()}, x.v, x.s, x.z, s, z), s, z))
		}},
		{"gelu", "gelu has no int8 form", func(n *net) {
			x := n.input("x", 1, 8)
			n.output("y", n.codes(n.g.Apply(backend.QLinearUnary{Func: backend.UnaryGelu, Rule: n.rule, Scheme: n.scheme()}, x.v, x.s, x.z, x.s, x.z), x.s, x.z))
		}},
		{"identity", "the output is an input", func(n *net) { n.output("y", n.input("x", 1, 8)) }},
		{"overflow", "beyond an int32", func(n *net) {
			x := n.input("x", 1, 8)
			w, sw, _ := n.weights(1, 8)
			s, z := n.params(1e-12, 0)
			op := backend.QLinearGemm{Rule: n.rule, Scheme: n.scheme(), Lo: -inf, Hi: inf}
			n.output("y", n.codes(n.g.Apply(op, x.v, x.s, x.z, w, sw, graph.Value{}, s, z), s, z))
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			n := newNet(1)
			c.build(n)
			_, err := Target{}.Lower(context.Background(), n.model(t))
			require.ErrorContains(t, err, c.want)
		})
	}
}

func TestWriteErrors(t *testing.T) {
	n := newNet(1)
	n.output("y", n.gemm(n.input("x", 1, 4), -inf, inf, 3))
	a := lowered(t, n.model(t))
	require.Equal(t, ".tflite", a.Ext())
	_, err := a.WriteTo(closedWriter{})
	require.ErrorIs(t, err, os.ErrClosed)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_, err = Target{}.Lower(ctx, n.model(t))
	require.True(t, errors.Is(err, context.Canceled))
}

type closedWriter struct{}

func (closedWriter) Write([]byte) (int, error) { return 0, os.ErrClosed }

// With FullyConnected linear layers keep their operator, and the model is
// warned of LiteRT's rounding.
func TestFullyConnected(t *testing.T) {
	n := newNet(2)
	n.output("y", n.gemm(n.gemm(n.input("x", 2, 3, 12), 0, inf, 7), -inf, inf, 1))
	m := n.model(t)
	to := Target{FullyConnected: true}
	made, err := to.Lower(context.Background(), m)
	require.NoError(t, err)
	a := made.(*Artifact)
	require.Equal(t, []string{"RESHAPE", "FULLY_CONNECTED", "FULLY_CONNECTED", "RESHAPE"}, operators(t, a.file))
	vs := to.Check(m)
	require.GreaterOrEqual(t, len(vs), 2)
	require.Empty(t, fatal(vs))
	require.Contains(t, vs[0].Reason, "FULLY_CONNECTED rounds once")
	require.Empty(t, Target{}.Check(m))
	ins, _ := ports(t, m.Graph)
	in, _ := randomCodes(rand.New(rand.NewPCG(1, 1)), ins[0])
	want, got := runGraph(t, m.Graph, []*tensor.Tensor{in}), runGraph(t, a.graph, []*tensor.Tensor{in})
	require.Equal(t, want[0].I8(), got[0].I8())
}
