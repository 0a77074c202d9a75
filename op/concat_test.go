package op_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/graph"
	"github.com/goqat/goqat/tensor"
)

func TestConcatGradient(t *testing.T) {
	gradCheck(t, 1, apply(backend.Concat{Axis: 1}), normal64(3, 1, 2, 3, 4), normal64(4, 1, 2, 1, 4), normal64(5, 1, 2, 2, 4))
	gradCheck(t, 1, apply(backend.Concat{Axis: -1}), normal64(3, 1, 2, 3), normal64(4, 1, 2, 2))
}

func TestConcatFaults(t *testing.T) {
	a := tensor.Of(tensor.F32, 2, 3)
	for name, in := range map[string][]tensor.Spec{
		"nothing": nil, "absent": {a, {}}, "rank": {a, tensor.Of(tensor.F32, 2)},
		"type": {a, tensor.Of(tensor.F64, 2, 3)}, "dimension": {a, tensor.Of(tensor.F32, 3, 3)},
	} {
		_, err := graph.Lookup("concat").Infer(backend.Concat{Axis: 1}, in)
		require.Error(t, err, name)
	}
	_, err := graph.Lookup("concat").Infer(backend.Concat{Axis: 2}, []tensor.Spec{a})
	require.ErrorContains(t, err, "axis 2")
}
