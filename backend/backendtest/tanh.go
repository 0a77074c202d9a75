package backendtest

import (
	"math"

	"github.com/goqat/goqat/backend"
)

func init() {
	Elementwise(backend.Tanh{}, math.Tanh)
	elementwiseGrad(backend.TanhGrad{}, math.Tanh, func(dy, y float64) float64 { return dy * (1 - y*y) })
}
