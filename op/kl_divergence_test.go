package op_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/graph"
	"github.com/goqat/goqat/tensor"
)

func TestKLDivergenceGradient(t *testing.T) {
	teacher := normal64(4, 2, 4, 5)
	gradCheck(t, 1, func(g *graph.Graph, in []graph.Value) graph.Value {
		return g.Apply(backend.KLDivergence{Temperature: 3}, in[0], g.Const("teacher", teacher))
	}, normal64(3, 2, 4, 5))
}

func TestKLDivergenceOfOneselfIsZero(t *testing.T) {
	x := tensor.FromF32([]float32{1, -2, 30, 4, 5, -60}, 2, 3)
	out := runOne(t, backend.KLDivergence{Temperature: 2}, x, x)
	require.Equal(t, float32(0), out[0].F32()[0])
	require.Equal(t, make([]float32, 6), out[1].F32())
}
