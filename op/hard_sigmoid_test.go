package op_test

import (
	"testing"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/tensor"
)

func TestHardSigmoidGradient(t *testing.T) {
	x := []*tensor.Tensor{normal64(3, 3, 9, 11)}
	gradCheckWith(t, 1, gradOptions{Skip: near(x, -3, 3)}, apply(backend.HardSigmoid{}), x...)
}
