package op_test

import (
	"math"
	"testing"

	"github.com/goqat/goqat/backend"
)

func TestLogGradient(t *testing.T) {
	x := normal64(3, 1, 5, 7)
	for i, v := range x.F64() {
		x.F64()[i] = 0.2 + math.Abs(v)
	}
	gradCheck(t, 1, apply(backend.Log{}), x)
}
