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

func scalarScale(v float32) *tensor.Tensor {
	t := tensor.New(tensor.Of(tensor.F32, 1))
	t.F32()[0] = v
	return t
}

// attention returns y = quantized a * b of two quantized activations.
func attention(t *testing.T, m backend.MatMul, b quant.Scheme, sb *tensor.Tensor, aDims, bDims []int) *graph.Graph {
	r := rand.New(rand.NewPCG(3, 4))
	g := graph.New()
	qa := fakeQuantOf(g, "a", g.Param("a", backendtest.Normal(r, 1, aDims...)), quant.ONNX, quant.UInt8(), scalarScale(0.027), 131)
	zb := int32(-7)
	if b.Symmetric {
		zb = 0
	}
	qb := fakeQuantOf(g, "b", g.Param("b", backendtest.Normal(r, 1, bDims...)), quant.ONNX, b, sb, zb)
	y := fakeQuantOf(g, "y", g.Apply(m, qa, qb), quant.ONNX, quant.Int8(), scalarScale(0.25), 3)
	g.Output("y", y)
	w := g.Const("loss.weights", backendtest.Normal(r, 1, y.Shape()...))
	g.Output("loss", g.Apply(backend.Reduce{Kind: backend.ReduceSum}, g.Apply(backend.Mul{}, y, w)))
	require.NoError(t, g.Err())
	return g
}

func TestMatMulOnCodes(t *testing.T) {
	perColumn := quant.Int8PerChannel(-1)
	scales := tensor.New(tensor.Of(tensor.F32, 24))
	for i := range scales.F32() {
		scales.F32()[i] = 0.02 + 0.001*float32(i)
	}
	for name, g := range map[string]*graph.Graph{
		"scores":     attention(t, backend.MatMul{TransB: true}, quant.Int8(), scalarScale(0.026), []int{2, 3, 37, 90}, []int{2, 3, 21, 90}),
		"values":     attention(t, backend.MatMul{}, quant.Int8(), scalarScale(0.026), []int{6, 37, 90}, []int{6, 90, 24}),
		"broadcast":  attention(t, backend.MatMul{TransA: true}, quant.Int8(), scalarScale(0.026), []int{6, 90, 37}, []int{90, 24}),
		"per column": attention(t, backend.MatMul{}, perColumn, scales, []int{6, 37, 90}, []int{90, 24}),
	} {
		t.Run(name, func(t *testing.T) {
			want, _ := runMode(t, g, graph.Mode{Quantize: graph.QuantizeFloat})
			got, ops := runMode(t, g, graph.Mode{Quantize: graph.QuantizeInteger})
			assert.Contains(t, ops, "qlinear_matmul")
			assert.NotContains(t, ops, "matmul")
			equalWithin(t, want["y"], got["y"], 0.25, 0)

			for _, live := range []bool{false, true} {
				m := graph.Mode{Train: true, FreezeBN: true, Quantize: graph.QuantizeFloat}
				if live {
					m.Ranges = graph.RangesObserve
				}
				want, _ = runMode(t, g, m)
				m.Quantize = graph.QuantizeInteger
				got, ops = runMode(t, g, m)
				if live {
					assert.Contains(t, ops, "matmul_dequant")
				} else {
					assert.Contains(t, ops, "qlinear_matmul")
				}
				for _, k := range []string{"grad.a", "grad.b"} {
					assert.LessOrEqual(t, normalizedError(want[k], got[k]), 1e-3, k)
				}
			}
		})
	}
}
