package op_test

import (
	"testing"

	"github.com/goqat/goqat/backend"
)

func TestMSEGradient(t *testing.T) {
	gradCheck(t, 1, apply(backend.MSE{}), normal64(3, 1, 4, 5), normal64(4, 1, 4, 5))
}
