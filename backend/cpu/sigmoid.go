package cpu

import "github.com/goqat/goqat/backend"

func init() {
	register(backend.Sigmoid{}, elementwiseOne(5,
		always(func(y, x []float32) {
			for i, v := range x {
				y[i] = sigmoid32(v)
			}
		}),
		always(func(y, x []float64) {
			for i, v := range x {
				y[i] = sigmoid64(v)
			}
		})))
	register(backend.SigmoidGrad{}, elementwiseTwo(1, always(sigmoidGradLoop[float32]), always(sigmoidGradLoop[float64])))
}

func sigmoidGradLoop[T float](dx, dy, y []T) {
	dx, y = dx[:len(dy)], y[:len(dy)]
	for i, v := range dy {
		dx[i] = v * y[i] * (1 - y[i])
	}
}
