package backendtest

import (
	"math"

	"github.com/goqat/goqat/backend"
)

func init() {
	Elementwise(backend.Sqrt{}, math.Sqrt)
}
