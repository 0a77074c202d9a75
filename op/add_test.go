package op_test

import (
	"testing"

	"github.com/goqat/goqat/backend"
)

func TestAddGradient(t *testing.T) {
	for name, in := range broadcastInputs() {
		t.Run(name, func(t *testing.T) { gradCheck(t, 1, apply(backend.Add{}), in...) })
	}
}
