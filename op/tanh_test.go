package op_test

import (
	"testing"

	"github.com/goqat/goqat/backend"
)

func TestTanhGradient(t *testing.T) {
	gradCheck(t, 1, apply(backend.Tanh{}), normal64(3, 1.5, 5, 7))
}
