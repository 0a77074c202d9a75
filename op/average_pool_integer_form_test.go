package op_test

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/backend/backendtest"
	"github.com/goqat/goqat/graph"
	"github.com/goqat/goqat/quant"
	"github.com/goqat/goqat/tensor"
)

// pooled returns the quantized mean of a quantized tensor, with the
// quantizer's states shared or its own.
func pooled(t *testing.T, op backend.Op, shared bool, dims ...int) *graph.Graph {
	r := rand.New(rand.NewPCG(3, 8))
	g := graph.New()
	scale, zero := g.State("x.scale", scalarScale(0.027)), g.State("x.zero", tensor.New(tensor.Of(tensor.I32, 1)))
	fq := backend.FakeQuant{Rule: quant.ONNX, Scheme: quant.Int8()}
	y := g.Apply(op, g.Apply(fq, g.Param("x", backendtest.Normal(r, 1, dims...)), scale, zero))
	if !shared {
		scale, zero = g.State("y.scale", scalarScale(0.01)), g.State("y.zero", tensor.New(tensor.Of(tensor.I32, 1)))
	}
	y = g.Apply(fq, y, scale, zero)
	g.Output("y", y)
	w := g.Const("loss.weights", backendtest.Normal(r, 1, y.Shape()...))
	g.Output("loss", g.Apply(backend.Reduce{Kind: backend.ReduceSum}, g.Apply(backend.Mul{}, y, w)))
	require.NoError(t, g.Err())
	return g
}

func TestMeansOnCodes(t *testing.T) {
	window := backend.Window{Stride: [2]int{2, 1}, Pad: [4]int{1, 1, 1, 1}}
	for name, op := range map[string]backend.Op{
		"qlinear_average_pool":        backend.AveragePool{Window: window, Kernel: [2]int{3, 3}, CountPad: true},
		"qlinear_global_average_pool": backend.GlobalAveragePool{},
	} {
		for _, shared := range []bool{true, false} {
			g := pooled(t, op, shared, 31, 7, 9, 20)
			for _, m := range []graph.Mode{{}, {Train: true, FreezeBN: true}, {Train: true, Ranges: graph.RangesObserve}} {
				m.Quantize = graph.QuantizeFloat
				want, _ := runMode(t, g, m)
				m.Quantize = graph.QuantizeInteger
				got, ops := runMode(t, g, m)
				if shared {
					assert.Contains(t, ops, name)
					assert.NotContains(t, ops, op.OpName())
					equalWithin(t, want["y"], got["y"], 0.027, 0)
				} else {
					// Rounding to the input's grid first would be one
					// rounding more: the global mean goes straight to its
					// own grid once that is frozen, the others are float.
					if _, global := op.(backend.GlobalAveragePool); global && m.Deployed() {
						assert.Contains(t, ops, name)
						// Exact sums and float sums fall apart at ties.
						equalWithin(t, want["y"], got["y"], 0.01, 0.02)
					} else {
						assert.NotContains(t, ops, name)
						equalWithin(t, want["y"], got["y"], 0.01, 0)
					}
				}
				if m.Train {
					assert.LessOrEqual(t, normalizedError(want["grad.x"], got["grad.x"]), 1e-9)
				}
			}
		}
	}
}
