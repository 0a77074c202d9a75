package op_test

import (
	"context"
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/backend/cpu"
	"github.com/goqat/goqat/tensor"
)

func TestSoftmaxCrossEntropyGradient(t *testing.T) {
	labels := tensor.FromI32([]int32{2, 0, 4, 4}, 4)
	for _, eps := range []float32{0, 0.125} {
		gradCheck(t, 1, apply(backend.SoftmaxCrossEntropy{Smoothing: eps}), normal64(3, 2, 4, 5), labels)
	}
}

// TestSoftmaxCrossEntropyOfEqualLogits has a loss that is known: ln(classes).
func TestSoftmaxCrossEntropyOfEqualLogits(t *testing.T) {
	out := runOne(t, backend.SoftmaxCrossEntropy{Smoothing: 0.1}, tensor.New(tensor.Of(tensor.F32, 3, 10)), tensor.New(tensor.Of(tensor.I32, 3)))
	require.Equal(t, float32(math.Log(10)), out[0].F32()[0])
	require.Equal(t, float32(0.1), out[1].F32()[29])
}

func TestSoftmaxCrossEntropyNamesTheRow(t *testing.T) {
	in := []backend.Buffer{tensor.New(tensor.Of(tensor.F32, 3, 4)), tensor.FromI32([]int32{0, 3, 7}, 3)}
	out := []backend.Buffer{tensor.New(tensor.Of(tensor.F32)), nil}
	err := backend.Run(context.Background(), cpu.New(), backend.SoftmaxCrossEntropy{}, out, in)
	require.ErrorIs(t, err, backend.ErrIndex)
	require.ErrorContains(t, err, "row 2 has label 7 of 4 classes")
}
