package cpu

import (
	"math"

	"github.com/goqat/goqat/backend"
)

func init() {
	register(backend.Exp{}, elementwiseOne(4,
		always(func(y, x []float32) {
			for i, v := range x {
				y[i] = exp32(v)
			}
		}),
		always(func(y, x []float64) {
			for i, v := range x {
				y[i] = math.Exp(v)
			}
		})))
}
