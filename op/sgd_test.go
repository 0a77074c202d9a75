package op_test

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/graph"
	"github.com/goqat/goqat/tensor"
)

func f32(v ...float32) *tensor.Tensor { return tensor.FromF32(v, len(v)) }

// TestSGDSteps follows two steps of PyTorch's formula by hand: lr 0.5,
// momentum 0.5, weight decay 0.25, gradients 1 and 2, from 4.
func TestSGDSteps(t *testing.T) {
	for _, c := range []struct {
		nesterov bool
		want     [2]float32
	}{
		// d = 1 + 1 = 2, v = 2, p = 4 - 1 = 3; d = 2 + 0.75, v = 1 + 2.75 = 3.75, p = 3 - 1.875.
		{false, [2]float32{3, 1.125}},
		// d = 2 + 1 = 3, p = 2.5; d = 2.625, v = 3.625, d = 4.4375, p = 2.5 - 2.21875.
		{true, [2]float32{2.5, 0.28125}},
	} {
		p, v := f32(4), f32(0)
		op := backend.SGD{Momentum: 0.5, WeightDecay: 0.25, Nesterov: c.nesterov}
		for i, want := range c.want {
			runOne(t, op, p, f32(float32(i+1)), v, f32(0.5))
			require.Equal(t, want, p.F32()[0])
		}
	}
	p := f32(4)
	runOne(t, backend.SGD{}, p, f32(2), nil, f32(0.5))
	require.Equal(t, float32(3), p.F32()[0])
}

func TestOptimizerFaults(t *testing.T) {
	p, lr, step := tensor.Of(tensor.F32, 3), tensor.Of(tensor.F32, 1), tensor.Of(tensor.I64, 1)
	for _, c := range []struct {
		op backend.Op
		in []tensor.Spec
	}{
		{backend.SGD{Momentum: 0.9}, []tensor.Spec{p, p, {}, lr}},
		{backend.SGD{}, []tensor.Spec{p, p, p, lr}},
		{backend.SGD{}, []tensor.Spec{p, tensor.Of(tensor.F32, 4), {}, lr}},
		{backend.SGD{}, []tensor.Spec{p, p}},
		{backend.Adam{}, []tensor.Spec{p, p, p, p, lr, lr}},
		{backend.Adam{}, []tensor.Spec{p, p, p, tensor.Of(tensor.F64, 3), lr, step}},
		{backend.EMA{}, []tensor.Spec{p, lr}},
		{backend.GradNorm{}, []tensor.Spec{p, step}},
		{backend.GradNorm{}, nil},
		{backend.ClipScale{}, []tensor.Spec{p}},
		{backend.ScaleBy{}, []tensor.Spec{p, p}},
		{backend.Increment{}, []tensor.Spec{lr}},
		{backend.Increment{}, []tensor.Spec{tensor.Of(tensor.I64, 0)}},
	} {
		_, err := graph.Lookup(c.op.OpName()).Infer(c.op, c.in)
		require.Error(t, err, "%s%v", c.op.OpName(), c.in)
	}
}

// TestClipping limits a gradient of norm 5 to 1.
func TestClipping(t *testing.T) {
	a, b := f32(3), f32(0, 4)
	norm := runOne(t, backend.GradNorm{}, a, b)[0]
	require.Equal(t, float32(5), norm.F32()[0])
	factor := runOne(t, backend.ClipScale{Max: 1}, norm)[0]
	y := runOne(t, backend.ScaleBy{}, b, factor)[0]
	require.InDelta(t, 0.8, y.F32()[1], 1e-6)
	require.True(t, math.IsNaN(runOne(t, backend.ClipScale{Max: 1}, f32(float32(math.NaN())))[0].At(0)))
}
