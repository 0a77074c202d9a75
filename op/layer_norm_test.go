package op_test

import (
	"testing"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/graph"
)

func TestLayerNormGradient(t *testing.T) {
	op := backend.LayerNorm{Eps: 1e-3}
	gradCheck(t, 1, apply(op), normal64(3, 1, 4, 5), normal64(4, 1, 5), normal64(5, 1, 5))
	gradCheck(t, 1, apply(op), normal64(3, 1, 2, 2, 5))
	gradCheck(t, 1, func(g *graph.Graph, in []graph.Value) graph.Value {
		return g.Apply(op, in[0], graph.Value{}, in[1])
	}, normal64(3, 1, 4, 5), normal64(4, 1, 5))
}
