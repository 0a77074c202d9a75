package op_test

import (
	"testing"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/tensor"
)

func TestLeakyReluGradient(t *testing.T) {
	x := []*tensor.Tensor{normal64(3, 3, 9, 11)}
	gradCheckWith(t, 1, gradOptions{Skip: near(x, 0)}, apply(backend.LeakyRelu{Alpha: 0.1}), x...)
}
