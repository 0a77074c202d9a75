package backendtest

import (
	"math"

	"github.com/goqat/goqat/backend"
)

func init() {
	Elementwise(backend.HardSwish{}, func(x float64) float64 { return x * math.Min(math.Max(x+3, 0), 6) / 6 })
	elementwiseGrad(backend.HardSwishGrad{}, identity, func(dy, x float64) float64 {
		switch {
		case x <= -3:
			return 0
		case x <= 3:
			return dy * (2*x + 3) / 6
		}
		return dy
	})
}
