package nn_test

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/graph"
	"github.com/goqat/goqat/nn"
	"github.com/goqat/goqat/program"
	"github.com/goqat/goqat/tensor"
)

// compiled returns the program of a graph in float64, with gradients when
// there is a loss.
func compiled(t *testing.T, g *graph.Graph, s *program.State, loss string) *program.Program {
	t.Helper()
	p, err := program.Compile(context.Background(), g, program.Options{State: s, Mode: graph.Mode{Train: true}, Loss: loss})
	require.NoError(t, err)
	return p
}

func output(t *testing.T, p *program.Program, name string) []float64 {
	t.Helper()
	require.NoError(t, p.Run(context.Background()))
	y, err := p.OutputTensor(context.Background(), name)
	require.NoError(t, err)
	return y.F64()
}

// double returns normal numbers.
func double(seed uint64, dims ...int) *tensor.Tensor {
	r := rand.New(rand.NewPCG(seed, 1))
	x := tensor.New(tensor.Of(tensor.F64, dims...))
	for i := range x.F64() {
		x.F64()[i] = r.NormFloat64()
	}
	return x
}

// checkGradients compares the gradient of sum(y * w) in every parameter with
// central differences.
func checkGradients(t *testing.T, build func(b *nn.Builder) graph.Value) {
	t.Helper()
	ctx := context.Background()
	bk, err := backend.Open("cpu")
	require.NoError(t, err)
	b := nn.NewBuilder(5)
	b.DType = tensor.F64
	y := build(b)
	require.NoError(t, b.G.Err())
	w := b.G.Const("w", double(77, y.Shape()...))
	b.Output("loss", b.G.Apply(backend.Reduce{Kind: backend.ReduceSum}, b.G.Apply(backend.Mul{}, y, w)))
	g, err := b.Graph()
	require.NoError(t, err)
	// Gamma, beta and biases begin where some gradients vanish.
	for i, v := range g.Values(graph.Param) {
		x := double(uint64(i), v.Shape()...)
		for j := range x.F64() {
			x.F64()[j] = v.Init().F64()[j] + 0.3*x.F64()[j]
		}
		require.NoError(t, v.SetInit(x))
	}
	s := program.NewState(bk)
	backward, forward := compiled(t, g, s, "loss"), compiled(t, g, s, "")
	require.NoError(t, backward.Run(ctx))
	checked := 0
	for _, v := range g.Values(graph.Param) {
		grad, err := backward.OutputTensor(ctx, "grad."+v.Name())
		require.NoError(t, err, v.Name())
		x := v.Init().Clone()
		for i, at := range v.Init().F64() {
			const h = 1e-5
			var d float64
			for _, sign := range []float64{1, -1} {
				x.F64()[i] = at + sign*h
				require.NoError(t, s.Write(ctx, v.Name(), x))
				d += sign * output(t, forward, "loss")[0]
			}
			x.F64()[i] = at
			want := d / (2 * h)
			require.InDelta(t, want, grad.F64()[i], 1e-6*(1+math.Abs(want)), "%s[%d]", v.Name(), i)
			checked++
		}
		require.NoError(t, s.Write(ctx, v.Name(), x))
	}
	require.NotZero(t, checked)
}

func TestAttentionGradient(t *testing.T) {
	for _, causal := range []bool{false, true} {
		for _, heads := range []int{1, 3} {
			t.Run(fmt.Sprintf("causal=%v/heads=%d", causal, heads), func(t *testing.T) {
				checkGradients(t, func(b *nn.Builder) graph.Value {
					return nn.Attention{Heads: heads, Causal: causal}.Forward(b, b.G.Param("x", double(9, 2, 5, 6)))
				})
			})
		}
	}
}

func TestTransformerGradient(t *testing.T) {
	checkGradients(t, func(b *nn.Builder) graph.Value {
		x := tensor.New(tensor.Of(tensor.F64, 2, 5))
		for i := range x.F64() {
			x.F64()[i] = float64(i * 3 % 7)
		}
		return nn.Sequential{nn.Embedding{Symbols: 7, Width: 4, Positions: true}, nn.Transformer{Heads: 2, Hidden: 6, Causal: true}, nn.LastPlace{}}.
			Forward(b, b.G.Const("x", x))
	})
}

// TestAttention compares with the definition, written out.
func TestAttention(t *testing.T) {
	const batch, length, width, heads = 2, 7, 6, 2
	const head = width / heads
	bk, err := backend.Open("cpu")
	require.NoError(t, err)
	for _, causal := range []bool{false, true} {
		b := nn.NewBuilder(3)
		b.DType = tensor.F64
		x := double(4, batch, length, width)
		b.Output("y", nn.Attention{Heads: heads, Causal: causal}.Forward(b, b.G.Const("x", x)))
		g, err := b.Graph()
		require.NoError(t, err)
		got := output(t, compiled(t, g, program.NewState(bk), ""), "y")
		linear := func(name string, row []float64) []float64 {
			w, _ := g.Lookup("attention." + name + ".weight")
			c, _ := g.Lookup("attention." + name + ".bias")
			y := make([]float64, width)
			for o := range y {
				y[o] = c.Init().F64()[o]
				for i, v := range row {
					y[o] += v * w.Init().F64()[o*width+i]
				}
			}
			return y
		}
		for n := range batch {
			var q, k, v [length][]float64
			for i := range length {
				row := x.F64()[(n*length+i)*width:][:width]
				q[i], k[i], v[i] = linear("query", row), linear("key", row), linear("value", row)
			}
			for i := range length {
				mixed := make([]float64, width)
				for h := range heads {
					var e [length]float64
					var sum float64
					for j := range length {
						if causal && j > i {
							continue
						}
						var dot float64
						for c := h * head; c < (h+1)*head; c++ {
							dot += q[i][c] * k[j][c]
						}
						e[j] = math.Exp(dot / math.Sqrt(head))
						sum += e[j]
					}
					for j := range length {
						for c := h * head; c < (h+1)*head; c++ {
							mixed[c] += e[j] / sum * v[j][c]
						}
					}
				}
				for c, want := range linear("out", mixed) {
					require.InDelta(t, want, got[(n*length+i)*width+c], 1e-12)
				}
			}
		}
	}
}

// TestSymbolsOutOfRange: a symbol that the table lacks is a typed error of the
// run, and shapes that do not fit one of the build.
func TestSymbolsOutOfRange(t *testing.T) {
	ctx := context.Background()
	bk, err := backend.Open("cpu")
	require.NoError(t, err)
	g, err := nn.Build("gpt-tiny", tensor.Shape{4}, 10, 1)
	require.NoError(t, err)
	p, err := program.Compile(ctx, g, program.Options{Backend: bk, Mode: graph.EvalFloat})
	require.NoError(t, err)
	require.NoError(t, p.SetInput(ctx, "input", tensor.FromF32([]float32{0, 9, 3, 10}, 1, 4)))
	require.ErrorIs(t, p.Run(ctx), backend.ErrIndex)
	require.NoError(t, p.SetInput(ctx, "input", tensor.FromF32([]float32{0, 9, 3, 1}, 1, 4)))
	require.NoError(t, p.Run(ctx))
	_, err = nn.Build("gpt-tiny", tensor.Shape{8, 8, 1}, 10, 1)
	require.ErrorContains(t, err, "Embedding")
	b := nn.NewBuilder(1)
	nn.Attention{Heads: 4}.Forward(b, b.Input("x", 3, 6))
	require.ErrorContains(t, b.G.Err(), "4 heads")
	b = nn.NewBuilder(1)
	nn.LastPlace{}.Forward(b, b.Input("x", 3))
	require.ErrorContains(t, b.G.Err(), "LastPlace")
}
