package op_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/graph"
	"github.com/goqat/goqat/tensor"
)

// TestCastGradient goes through float32 and back with numbers and steps that
// float32 holds exactly.
func TestCastGradient(t *testing.T) {
	x := tensor.FromF64([]float64{0.5, -0.25, 0.75}, 3)
	gradCheckWith(t, 1, gradOptions{Step: 1.0 / 1024}, func(g *graph.Graph, in []graph.Value) graph.Value {
		return g.Apply(backend.Cast{To: tensor.F64}, g.Apply(backend.Cast{To: tensor.F32}, g.Apply(backend.Neg{}, in[0])))
	}, x)
}

func TestNoGradientThroughIntegers(t *testing.T) {
	g := graph.New()
	x := g.Param("x", tensor.New(tensor.Of(tensor.F32, 3)))
	y := g.Apply(backend.Cast{To: tensor.F32}, g.Apply(backend.Cast{To: tensor.I32}, x))
	d := g.Backward(g.Apply(backend.Reduce{}, y), x)
	require.NoError(t, g.Err())
	require.True(t, d[0].Absent())
}
