package op_test

import (
	"testing"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/tensor"
)

func TestGatherGradient(t *testing.T) {
	index := tensor.FromI64([]int64{2, -1, 0, 2, 1, 2}, 2, 3)
	for axis := range 3 {
		gradCheck(t, 1, apply(backend.Gather{Axis: axis}), normal64(3, 1, 3, 4, 5), index)
	}
}
