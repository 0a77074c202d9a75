package op_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/backend/cpu"
	"github.com/goqat/goqat/tensor"
)

// TestAdamFirstStep: whatever the gradient, the first step is lr in its
// direction, and weight decay either joins the gradient or shrinks the
// parameter.
func TestAdamFirstStep(t *testing.T) {
	for _, c := range []struct {
		op   backend.Adam
		want []float32
	}{
		{backend.Adam{Beta1: 0.9, Beta2: 0.999, Eps: 1e-8}, []float32{1.99, -0.99}},
		{backend.Adam{Beta1: 0.9, Beta2: 0.999, Eps: 1e-8, WeightDecay: 0.1}, []float32{1.99, -0.99}},
		{backend.Adam{Beta1: 0.9, Beta2: 0.999, Eps: 1e-8, WeightDecay: 0.1, Decoupled: true}, []float32{1.988, -0.989}},
	} {
		p, m, v := f32(2, -1), f32(0, 0), f32(0, 0)
		runOne(t, c.op, p, f32(5, -0.03), m, v, f32(0.01), tensor.FromI64([]int64{1}, 1))
		require.InDeltaSlice(t, c.want, p.F32(), 3e-7)
	}
}

// TestAdamSteps follows three steps with the gradient 2, -1, 0.5 from 1; the
// values are those of the formula in exact arithmetic.
func TestAdamSteps(t *testing.T) {
	op := backend.Adam{Beta1: 0.5, Beta2: 0.75, Eps: 0}
	p, m, v := f32(1), f32(0), f32(0)
	want := []float32{0.875, 0.875} // m = 1 and v = 1, corrected 2 and 4; then m = 0.
	for i, g := range []float32{2, -1, 0.5} {
		runOne(t, op, p, f32(g), m, v, f32(0.125), tensor.FromI64([]int64{int64(i + 1)}, 1))
		if i < 2 {
			require.InDelta(t, want[i], p.F32()[0], 1e-7)
		}
	}
	// v: 1, 0.75 + 0.25 = 1, 0.75 + 0.0625 = 0.8125; corrected by 1 - 27/64.
	require.Equal(t, float32(0.8125), v.F32()[0])
	require.Equal(t, float32(0.25), m.F32()[0])
	require.InDelta(t, 0.875-0.125*(0.25/0.875)/1.1854979567, p.F32()[0], 1e-6) // sqrt(0.8125/0.578125)
}

func TestAdamStepCountsFromOne(t *testing.T) {
	b := []backend.Buffer{f32(1), f32(1), f32(0), f32(0), f32(0.1), tensor.New(tensor.Of(tensor.I64, 1))}
	err := backend.Run(context.Background(), cpu.New(), backend.Adam{}, []backend.Buffer{b[0], b[2], b[3]}, b)
	require.ErrorContains(t, err, "counts from 1")
}
