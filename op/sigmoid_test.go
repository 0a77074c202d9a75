package op_test

import (
	"testing"

	"github.com/goqat/goqat/backend"
)

func TestSigmoidGradient(t *testing.T) {
	gradCheck(t, 1, apply(backend.Sigmoid{}), normal64(3, 1.5, 5, 7))
}
