package cpu

import (
	"math"

	"github.com/goqat/goqat/backend"
)

func init() {
	register(backend.Tanh{}, elementwiseOne(5,
		always(func(y, x []float32) {
			for i, v := range x {
				y[i] = tanh32(v)
			}
		}),
		always(func(y, x []float64) {
			for i, v := range x {
				y[i] = math.Tanh(v)
			}
		})))
	register(backend.TanhGrad{}, elementwiseTwo(1, always(tanhGradLoop[float32]), always(tanhGradLoop[float64])))
}

func tanhGradLoop[T float](dx, dy, y []T) {
	dx, y = dx[:len(dy)], y[:len(dy)]
	for i, v := range dy {
		dx[i] = v * (1 - T(y[i]*y[i]))
	}
}
