package op_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/graph"
	"github.com/goqat/goqat/tensor"
)

func TestTransposeGradient(t *testing.T) {
	gradCheck(t, 1, apply(backend.Transpose{Perm: tensor.NewDims(2, 0, 1)}), normal64(3, 1, 2, 3, 4))
}

func TestTransposeFaults(t *testing.T) {
	for _, perm := range [][]int{{0, 1}, {0, 1, 1}, {0, 1, 3}, {0, -1, 2}, {0, 1, 2, 3}, nil} {
		_, err := graph.Lookup("transpose").Infer(backend.Transpose{Perm: tensor.NewDims(perm...)}, []tensor.Spec{tensor.Of(tensor.F32, 2, 3, 4)})
		require.ErrorContains(t, err, "permutation", "%v", perm)
	}
	_, err := graph.Lookup("transpose").Infer(backend.Transpose{Perm: tensor.NewDims(0)}, []tensor.Spec{tensor.Of(tensor.B1, 9)})
	require.ErrorContains(t, err, "bit")
}
