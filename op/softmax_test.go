package op_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/graph"
	"github.com/goqat/goqat/tensor"
)

func TestSoftmaxGradient(t *testing.T) {
	for axis := range 3 {
		for _, log := range []bool{false, true} {
			t.Run(fmt.Sprintf("axis=%d/log=%v", axis, log), func(t *testing.T) {
				gradCheck(t, 1, apply(backend.Softmax{Axis: axis, Log: log}), normal64(3, 1, 3, 4, 2))
			})
		}
	}
}

func TestSoftmaxAxisFault(t *testing.T) {
	for _, axis := range []int{-3, 2, 99} {
		_, err := graph.Lookup("softmax").Infer(backend.Softmax{Axis: axis}, []tensor.Spec{tensor.Of(tensor.F32, 2, 3)})
		require.ErrorContains(t, err, "axis")
	}
}
