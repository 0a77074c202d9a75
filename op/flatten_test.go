package op_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/graph"
	"github.com/goqat/goqat/quant"
	"github.com/goqat/goqat/tensor"
)

func TestFlattenGradient(t *testing.T) {
	gradCheck(t, 1, apply(backend.Flatten{}), normal64(3, 1, 2, 3, 4))
}

// TestShapeOperationsPassCodes checks that operations that move elements stay
// on codes between a quantizer and the output.
func TestShapeOperationsPassCodes(t *testing.T) {
	index := tensor.FromI32([]int32{1, 0}, 2)
	for name, build := range map[string]func(g *graph.Graph, x graph.Value) graph.Value{
		"flatten": func(g *graph.Graph, x graph.Value) graph.Value { return g.Apply(backend.Flatten{}, x) },
		"reshape": func(g *graph.Graph, x graph.Value) graph.Value {
			return g.Apply(backend.Reshape{Shape: tensor.NewDims(0, 4, 3)}, x)
		},
		"transpose": func(g *graph.Graph, x graph.Value) graph.Value {
			return g.Apply(backend.Transpose{Perm: tensor.NewDims(0, 2, 1)}, x)
		},
		"slice": func(g *graph.Graph, x graph.Value) graph.Value {
			return g.Apply(backend.Slice{Starts: tensor.NewDims(1), Ends: tensor.NewDims(2)}, x)
		},
		"pad": func(g *graph.Graph, x graph.Value) graph.Value {
			return g.Apply(backend.Pad{Before: tensor.NewDims(0, 1, 0), After: tensor.NewDims(0, 0, 2)}, x)
		},
		"gather": func(g *graph.Graph, x graph.Value) graph.Value {
			return g.Apply(backend.Gather{Axis: 1}, x, g.Const("index", index))
		},
		"dropout": func(g *graph.Graph, x graph.Value) graph.Value {
			return g.Apply(backend.Dropout{P: 0.5}, x, g.State("seed", tensor.New(tensor.Of(tensor.I64, 2))))
		},
	} {
		t.Run(name, func(t *testing.T) {
			g := graph.New()
			x := g.Input("x", tensor.Of(tensor.F32, 2, 3, 4))
			scale, zero := g.State("scale", tensor.FromF32([]float32{0.05}, 1)), g.State("zero", tensor.FromI32([]int32{-7}, 1))
			q := g.Apply(backend.FakeQuant{Scheme: quant.Int8()}, x, scale, zero)
			g.Output("y", build(g, q))
			require.NoError(t, g.Err())
			low, err := graph.Lower(g, graph.Eval, 0)
			require.NoError(t, err)
			nodes := low.Nodes()
			require.Equal(t, "dequantize_linear", nodes[len(nodes)-1].Op.OpName(), "codes up to the output")
			in := normal64(1, 3, 2, 3, 4)
			float := runGraph(t, g, graph.Mode{Quantize: graph.QuantizeFloat}, in)
			require.Equal(t, float.F32(), runGraph(t, g, graph.Eval, in).F32())
		})
	}
}
