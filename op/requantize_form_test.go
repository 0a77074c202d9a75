package op_test

import (
	"context"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/backend/cpu"
	"github.com/goqat/goqat/graph"
	"github.com/goqat/goqat/program"
	"github.com/goqat/goqat/quant"
	"github.com/goqat/goqat/tensor"
)

// fixedQuantizer appends a quantizer with a given scale and zero point.
func fixedQuantizer(g *graph.Graph, x graph.Value, name string, s quant.Scheme, scale float32, zero int32) graph.Value {
	return g.Apply(backend.FakeQuant{Scheme: s}, x,
		g.State(name+".scale", tensor.FromF32([]float32{scale}, 1)), g.State(name+".zero", tensor.FromI32([]int32{zero}, 1)))
}

// TestIntegerForms checks that operations between quantizers run on codes, and
// that they give the same bits as quantized float ones.
func TestIntegerForms(t *testing.T) {
	s := quant.Int8()
	for _, c := range []struct {
		name string
		want []string // operations that must appear
		ban  string   // and one that must not
		make func(g *graph.Graph, a, b graph.Value) graph.Value
	}{
		{"add", []string{"qlinear_add"}, "add", func(g *graph.Graph, a, b graph.Value) graph.Value { return g.Apply(backend.Add{}, a, b) }},
		{"add_relu", []string{"qlinear_add"}, "relu", func(g *graph.Graph, a, b graph.Value) graph.Value {
			return g.Apply(backend.Relu{}, g.Apply(backend.Add{}, a, b))
		}},
		{"sub", []string{"qlinear_sub"}, "sub", func(g *graph.Graph, a, b graph.Value) graph.Value { return g.Apply(backend.Sub{}, a, b) }},
		{"mul", []string{"qlinear_mul"}, "mul", func(g *graph.Graph, a, b graph.Value) graph.Value { return g.Apply(backend.Mul{}, a, b) }},
		{"sigmoid", []string{"qlinear_unary"}, "sigmoid", func(g *graph.Graph, a, _ graph.Value) graph.Value { return g.Apply(backend.Sigmoid{}, a) }},
		{"gelu_tanh", []string{"qlinear_unary"}, "gelu", func(g *graph.Graph, a, _ graph.Value) graph.Value { return g.Apply(backend.Gelu{Tanh: true}, a) }},
		{"leaky_relu", []string{"qlinear_unary"}, "leaky_relu", func(g *graph.Graph, a, _ graph.Value) graph.Value {
			return g.Apply(backend.LeakyRelu{Alpha: 0.3}, a)
		}},
		{"concat", []string{"requantize", "concat"}, "fake_quant", func(g *graph.Graph, a, b graph.Value) graph.Value {
			return g.Apply(backend.Concat{Axis: -1}, a, b)
		}},
		{"concat_same", []string{"concat"}, "requantize", func(g *graph.Graph, a, _ graph.Value) graph.Value {
			return g.Apply(backend.Concat{Axis: -1}, a, a)
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			g := graph.New()
			x, y := g.Input("x", tensor.Of(tensor.F32, 5, 9)), g.Input("y", tensor.Of(tensor.F32, 5, 9))
			a, b := fixedQuantizer(g, x, "a", s, 0.03, 4), fixedQuantizer(g, y, "b", s, 0.025, -9)
			z := c.make(g, a, b)
			if c.name != "concat_same" {
				z = fixedQuantizer(g, z, "z", s, 0.04, 17)
			}
			g.Output("z", z)
			require.NoError(t, g.Err())
			run := func(m graph.Mode) *tensor.Tensor {
				ctx := context.Background()
				p, err := program.Compile(ctx, g, program.Options{Backend: cpu.New(), Mode: m})
				require.NoError(t, err)
				require.NoError(t, p.SetInput(ctx, "x", normal32(8, 1.5, 5, 9)))
				require.NoError(t, p.SetInput(ctx, "y", normal32(9, 1.5, 5, 9)))
				require.NoError(t, p.Run(ctx))
				if m == graph.Eval {
					var ops []string
					for _, n := range p.Graph().Nodes() {
						ops = append(ops, n.Op.OpName())
					}
					for _, w := range c.want {
						assert.Contains(t, ops, w)
					}
					assert.False(t, slices.Contains(ops, c.ban), "%v", ops)
				}
				return outputOf(t, p, "z")
			}
			requireSame(t, run(graph.Mode{Quantize: graph.QuantizeFloat}), run(graph.Eval), "z")
		})
	}
}
