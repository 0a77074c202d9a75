package op_test

import (
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/graph"
	"github.com/goqat/goqat/quant"
	"github.com/goqat/goqat/tensor"
)

// pairOp is an operation on codes and the same on real numbers.
type pairOp struct {
	codes backend.Op
	real  backend.Op
}

func pairOps(r quant.Rule, s quant.Scheme, lo, hi float32) []pairOp {
	return []pairOp{
		{backend.QLinearAdd{Rule: r, Scheme: s, Lo: lo, Hi: hi}, backend.Add{}},
		{backend.QLinearSub{Rule: r, Scheme: s, Lo: lo, Hi: hi}, backend.Sub{}},
		{backend.QLinearMul{Rule: r, Scheme: s, Lo: lo, Hi: hi}, backend.Mul{}},
	}
}

// TestQLinearPairsAgreeWithFloat compares values and gradients of the integer
// operations with fake-quantized float ones: the same bits, broadcasts and a
// folded activation included.
func TestQLinearPairsAgreeWithFloat(t *testing.T) {
	s := quant.Int8()
	inf := float32(math.Inf(1))
	for _, shapes := range [][2][]int{{{3, 5, 7}, {3, 5, 7}}, {{3, 5, 7}, {7}}, {{4, 1, 6}, {3, 1}}, {{1}, {2, 3}}} {
		for _, bounds := range [][2]float32{{-inf, inf}, {0, 2.5}} {
			for k := range 3 {
				run := func(integer bool) map[string]*tensor.Tensor {
					g := graph.New()
					params := func(name string, scale float32, zero int32) (graph.Value, graph.Value) {
						return g.State(name+".scale", tensor.FromF32([]float32{scale}, 1)), g.State(name+".zero", tensor.FromI32([]int32{zero}, 1))
					}
					sa, za := params("a", 0.03, -7)
					sb, zb := params("b", 0.021, 5)
					sy, zy := params("y", 0.04, -11)
					qa := g.Apply(backend.QuantizeLinear{Scheme: s}, g.Param("a", normal32(1, 1.5, shapes[0]...)), sa, za)
					qb := g.Apply(backend.QuantizeLinear{Scheme: s}, g.Param("b", normal32(2, 1.5, shapes[1]...)), sb, zb)
					op := pairOps(quant.Rule{}, s, bounds[0], bounds[1])[k]
					var y graph.Value
					if integer {
						y = g.Apply(op.codes, qa, sa, za, qb, sb, zb, sy, zy)
						y = g.Apply(backend.DequantizeLinear{Scheme: s}, y, sy, zy)
					} else {
						da := g.Apply(backend.DequantizeLinear{Scheme: s}, qa, sa, za)
						db := g.Apply(backend.DequantizeLinear{Scheme: s}, qb, sb, zb)
						y = g.Apply(op.real, da, db)
						if bounds[0] == 0 {
							y = g.Apply(backend.Clip{Lo: bounds[0], Hi: bounds[1]}, y)
						}
						y = g.Apply(backend.FakeQuant{Scheme: s}, y, sy, zy)
					}
					require.NoError(t, g.Err())
					weightedLoss(g, y, normal32(3, 1, y.Shape()...))
					p := runOnce(t, g)
					return map[string]*tensor.Tensor{"y": outputOf(t, p, "y"), "grad.a": outputOf(t, p, "grad.a"), "grad.b": outputOf(t, p, "grad.b")}
				}
				want, got := run(false), run(true)
				requireSame(t, want["y"], got["y"], "y")
				if bounds[0] == 0 {
					continue // At the bound itself the two masks differ by design.
				}
				for _, n := range []string{"grad.a", "grad.b"} {
					requireSame(t, want[n], got[n], n)
				}
			}
		}
	}
}

// TestQLinearUnaryGradient compares with the float operations' gradients.
func TestQLinearUnaryGradient(t *testing.T) {
	s := quant.Int8()
	for _, c := range []struct {
		f     backend.UnaryFunc
		alpha float32
		op    backend.Op
	}{
		{backend.UnarySigmoid, 0, backend.Sigmoid{}}, {backend.UnaryTanh, 0, backend.Tanh{}},
		{backend.UnaryHardSwish, 0, backend.HardSwish{}}, {backend.UnaryHardSigmoid, 0, backend.HardSigmoid{}},
		{backend.UnaryGelu, 0, backend.Gelu{}}, {backend.UnaryGeluTanh, 0, backend.Gelu{Tanh: true}},
		{backend.UnaryLeakyRelu, 0.1, backend.LeakyRelu{Alpha: 0.1}}, {backend.UnaryExp, 0, backend.Exp{}},
	} {
		run := func(integer bool) (*tensor.Tensor, *tensor.Tensor) {
			g := graph.New()
			sx, zx := g.Const("sx", tensor.FromF32([]float32{0.04}, 1)), g.Const("zx", tensor.FromI32([]int32{9}, 1))
			sy, zy := g.Const("sy", tensor.FromF32([]float32{0.031}, 1)), g.Const("zy", tensor.FromI32([]int32{-20}, 1))
			q := g.Apply(backend.QuantizeLinear{Scheme: s}, g.Param("x", normal32(4, 2, 999)), sx, zx)
			var y graph.Value
			if integer {
				y = g.Apply(backend.QLinearUnary{Func: c.f, Alpha: c.alpha, Scheme: s}, q, sx, zx, sy, zy)
				y = g.Apply(backend.DequantizeLinear{Scheme: s}, y, sy, zy)
			} else {
				y = g.Apply(c.op, g.Apply(backend.DequantizeLinear{Scheme: s}, q, sx, zx))
				y = g.Apply(backend.FakeQuant{Scheme: s}, y, sy, zy)
			}
			weightedLoss(g, y, normal32(5, 1, 999))
			p := runOnce(t, g)
			return outputOf(t, p, "y"), outputOf(t, p, "grad.x")
		}
		y, dx := run(true)
		wantY, wantX := run(false)
		requireSame(t, wantY, y, c.f.String())
		assert.InDeltaSlice(t, wantX.F32(), dx.F32(), 2e-5, "%v", c.f)
	}
}
