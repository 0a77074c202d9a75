package op_test

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/tensor"
)

func TestClipGradient(t *testing.T) {
	x := []*tensor.Tensor{normal64(3, 3, 9, 11)}
	gradCheckWith(t, 1, gradOptions{Skip: near(x, -1, 4)}, apply(backend.Clip{Lo: -1, Hi: 4}), x...)
}

func TestClipGradientAtTheBounds(t *testing.T) {
	dy := tensor.FromF32([]float32{1, 1, 1, 1}, 4)
	y := tensor.FromF32([]float32{0, 6, math.Nextafter32(0, 1), math.Nextafter32(6, 0)}, 4)
	dx := runOne(t, backend.ClipGrad{Lo: 0, Hi: 6}, dy, y)[0]
	require.Equal(t, []float32{0, 0, 1, 1}, dx.F32())
}

func TestClipKeepsNaN(t *testing.T) {
	y := runOne(t, backend.Clip{Lo: 0, Hi: 6}, tensor.FromF32([]float32{float32(math.NaN()), 7}, 2))[0]
	require.True(t, math.IsNaN(y.At(0)))
	require.Equal(t, 6.0, y.At(1))
}
