package op_test

import (
	"testing"

	"github.com/goqat/goqat/backend"
)

func TestGlobalAveragePoolGradient(t *testing.T) {
	for _, keep := range []bool{false, true} {
		gradCheck(t, 1, apply(backend.GlobalAveragePool{KeepDims: keep}), normal64(1, 1, 2, 3, 4, 5))
		gradCheck(t, 2, apply(backend.GlobalAveragePool{KeepDims: keep}), normal64(1, 1, 3, 4, 2))
	}
}
