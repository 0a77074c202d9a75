package graph_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/graph"
	_ "github.com/goqat/goqat/op"
	"github.com/goqat/goqat/quant"
	"github.com/goqat/goqat/tensor"
)

func TestFirstErrorSticks(t *testing.T) {
	g := graph.New()
	x := g.Input("x", tensor.Of(tensor.F32, 1, 3))
	var y graph.Value
	g.Scope("block", func() {
		g.Scope("add", func() { y = g.Apply(backend.Add{}, x, g.Param("w", tensor.New(tensor.Of(tensor.F32, 2)))) })
	})
	require.True(t, y.Absent())
	require.True(t, g.Apply(backend.Relu{}, y).Absent())
	g.Output("y", y)
	var n *graph.NodeError
	require.ErrorAs(t, g.Err(), &n)
	require.Equal(t, "block.add.add", n.Node)
	_, err := g.Clone()
	require.ErrorIs(t, err, g.Err())
}

func TestNames(t *testing.T) {
	g := graph.New()
	x := g.Input("x", tensor.Of(tensor.F32, 1, 3))
	a := g.Apply(backend.Relu{}, x)
	b := g.Apply(backend.Relu{}, a)
	require.Equal(t, "relu", a.Name())
	require.Equal(t, "relu_2", b.Name())
	g.Param("w", tensor.New(tensor.Of(tensor.F32, 1)))
	g.State("w", tensor.New(tensor.Of(tensor.F32, 1)))
	require.ErrorContains(t, g.Err(), `two values are named "w"`)
}

func TestBackwardSumsPaths(t *testing.T) {
	g := graph.New()
	x := g.Param("x", tensor.New(tensor.Of(tensor.F32, 2)))
	unused := g.Param("unused", tensor.New(tensor.Of(tensor.F32, 2)))
	y := g.Apply(backend.Add{}, g.Apply(backend.Mul{}, x, x), x)
	loss := g.Apply(backend.Reduce{Kind: backend.ReduceSum}, y)
	d := g.Backward(loss, x, unused)
	require.NoError(t, g.Err())
	require.False(t, d[0].Absent())
	require.True(t, d[1].Absent())
	require.Equal(t, tensor.Shape{2}, d[0].Shape())

	g.Backward(y, x)
	require.ErrorContains(t, g.Err(), "loss must be one float")
}

// quantized is x -> fake quant -> conv of fake-quantized weights -> relu ->
// fake quant.
func quantized(t *testing.T) *graph.Graph {
	g := graph.New()
	scale := func(name string, n int) (graph.Value, graph.Value) {
		s := tensor.New(tensor.Of(tensor.F32, n))
		for i := range s.F32() {
			s.F32()[i] = 0.1
		}
		return g.State(name+".scale", s), g.State(name+".zero", tensor.New(tensor.Of(tensor.I32, n)))
	}
	fq := func(name string, x graph.Value, s quant.Scheme, n int) graph.Value {
		sc, z := scale(name, n)
		return g.ApplyNamed(name+".q", backend.FakeQuant{Rule: quant.ONNX, Scheme: s}, x, sc, z)[0]
	}
	x := fq("x", g.Input("input", tensor.Of(tensor.F32, 1, 4, 4, 2)), quant.UInt8(), 1)
	w := fq("w", g.Param("weight", tensor.New(tensor.Of(tensor.F32, 3, 1, 1, 2))), quant.Int8PerChannel(0), 3)
	y := g.Apply(backend.Relu{}, g.Apply(backend.Conv{}, x, w))
	g.Output("y", fq("y", y, quant.UInt8(), 1))
	require.NoError(t, g.Err())
	return g
}

func ops(g *graph.Graph) []string {
	var s []string
	for _, n := range g.Nodes() {
		s = append(s, n.Op.OpName())
	}
	return s
}

// TestLower checks what each mode makes of one and the same graph.
func TestLower(t *testing.T) {
	g := quantized(t)
	for _, c := range []struct {
		mode graph.Mode
		want []string
	}{
		{graph.EvalFloat, []string{"conv", "relu"}},
		{graph.Mode{Quantize: graph.QuantizeFloat}, []string{"fake_quant", "fake_quant", "conv", "relu", "fake_quant"}},
		{graph.Eval, []string{"quantize_linear", "quantize_linear", "fold_batch_norm", "qlinear_conv", "dequantize_linear"}},
		{graph.Mode{Train: true, Quantize: graph.QuantizeInteger, Ranges: graph.RangesObserve}, []string{"quantize_linear", "quantize_linear", "conv_dequant", "relu", "quantize_linear", "dequantize_linear"}},
		{graph.Mode{Train: true, Quantize: graph.QuantizeInteger, FreezeBN: true}, []string{"quantize_linear", "quantize_linear", "fold_batch_norm", "qlinear_conv", "dequantize_linear"}},
	} {
		low, err := graph.Lower(g, c.mode, 5)
		require.NoError(t, err)
		require.Equal(t, c.want, ops(low), "%+v", c.mode)
		require.Equal(t, 5, low.Outputs()[0].Value.Shape()[0])
	}
}

// TestLowerKeepsSharedResults: a result with a second user is not swallowed
// by an epilogue.
func TestLowerKeepsSharedResults(t *testing.T) {
	g := quantized(t)
	var relu graph.Value
	for _, n := range g.Nodes() {
		if n.Op.OpName() == "relu" {
			relu = n.Out[0]
		}
	}
	g.Output("float", relu)
	low, err := graph.Lower(g, graph.Eval, 0)
	require.NoError(t, err)
	require.Contains(t, ops(low), "conv_dequant")
	require.NotContains(t, ops(low), "qlinear_conv")
}

func TestModeDeployed(t *testing.T) {
	require.True(t, graph.Eval.Deployed())
	require.False(t, graph.EvalFloat.Deployed())
	require.False(t, graph.Mode{Train: true, Quantize: graph.QuantizeInteger}.Deployed())
	require.False(t, graph.Mode{Quantize: graph.QuantizeInteger, Ranges: graph.RangesObserve}.Deployed())
}

// TestGradPrecision asks for the precision of a mode through every rewriting.
func TestGradPrecision(t *testing.T) {
	g := graph.New()
	g.Output("y", g.Input("x", tensor.Of(tensor.F32, 1, 2)))
	require.Equal(t, backend.GradF32, g.GradPrecision())
	low, err := graph.Lower(g, graph.Mode{Train: true, Backward: backend.GradBF16}, 0)
	require.NoError(t, err)
	require.Equal(t, backend.GradBF16, low.GradPrecision())
	require.Equal(t, backend.GradBF16, graph.NewCopy(low).Dst.GradPrecision())
	again, err := graph.Rebatch(low, 3)
	require.NoError(t, err)
	require.Equal(t, backend.GradBF16, again.GradPrecision())
}
