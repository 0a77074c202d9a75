package op_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/tensor"
)

func TestGeluGradient(t *testing.T) {
	gradCheck(t, 1, apply(backend.Gelu{}), normal64(3, 2, 5, 7))
	gradCheck(t, 1, apply(backend.Gelu{Tanh: true}), normal64(3, 2, 5, 7))
}

// TestGeluValues compares with the values of PyTorch's documentation formula
// at points of known erf.
func TestGeluValues(t *testing.T) {
	y := runOne(t, backend.Gelu{}, tensor.FromF32([]float32{0, 1, -1, 3, -10}, 5))[0]
	require.InDeltaSlice(t, []float32{0, 0.8413447, -0.15865525, 2.9959502, 0}, y.F32(), 5e-7)
}
