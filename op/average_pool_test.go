package op_test

import (
	"testing"

	"github.com/goqat/goqat/backend"
)

func TestAveragePoolGradient(t *testing.T) {
	window := backend.Window{Stride: [2]int{2, 1}, Pad: [4]int{1, 0, 0, 1}}
	for _, pad := range []bool{false, true} {
		gradCheck(t, 1, apply(backend.AveragePool{Window: window, Kernel: [2]int{3, 2}, CountPad: pad, Ceil: true}), normal64(1, 1, 2, 6, 5, 3))
		gradCheck(t, 2, apply(backend.AveragePool{Window: window, Kernel: [2]int{0, 3}, CountPad: pad}), normal64(1, 1, 2, 8, 3))
	}
}
