package backendtest

import (
	"math"

	"github.com/goqat/goqat/backend"
)

func init() {
	Elementwise(backend.HardSigmoid{}, func(x float64) float64 { return math.Min(math.Max(x+3, 0), 6) / 6 })
	elementwiseGrad(backend.HardSigmoidGrad{}, identity, func(dy, x float64) float64 {
		if x > -3 && x < 3 {
			return dy / 6
		}
		return 0
	})
}
