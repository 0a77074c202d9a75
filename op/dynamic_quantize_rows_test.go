package op

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/graph"
	"github.com/goqat/goqat/tensor"
)

// TestDynamicQuantizeRowsGrad: the gradient passes the quantizer unchanged.
func TestDynamicQuantizeRowsGrad(t *testing.T) {
	for _, d := range []tensor.DType{tensor.F32, tensor.BF16} {
		g := graph.New()
		x := g.Input("x", tensor.Of(d, 2, 8))
		out := g.ApplyN(backend.DynamicQuantizeRows{}, x)
		require.NoError(t, g.Err())
		require.Equal(t, "int8[2, 8]", out[0].Spec().String())
		require.Equal(t, "float32[2, 1]", out[1].Spec().String())
		n := g.Nodes()[len(g.Nodes())-1]
		dy := g.Input("dy", tensor.Of(tensor.F32, 2, 8))
		dx := graph.Lookup("dynamic_quantize_rows").Grad(g, n, []graph.Value{dy, {}})
		require.Equal(t, []graph.Value{dy}, dx)
	}
	g := graph.New()
	g.ApplyN(backend.DynamicQuantizeRows{}, g.Input("x", tensor.Of(tensor.F64, 2)))
	require.ErrorContains(t, g.Err(), "want float32 or bfloat16")
	g = graph.New()
	g.ApplyN(backend.DynamicQuantizeRows{}, g.Input("x", tensor.Of(tensor.F32)))
	require.ErrorContains(t, g.Err(), "no rows")
}
