package backendtest

import (
	"math"

	"github.com/goqat/goqat/backend"
)

func sigmoid(x float64) float64 { return 1 / (1 + math.Exp(-x)) }

func init() {
	Elementwise(backend.Sigmoid{}, sigmoid)
	elementwiseGrad(backend.SigmoidGrad{}, sigmoid, func(dy, y float64) float64 { return dy * y * (1 - y) })
}
