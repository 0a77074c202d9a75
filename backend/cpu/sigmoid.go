package cpu

import (
	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/backend/cpu/internal/elementary"
)

func init() {
	register(backend.Sigmoid{}, elementwiseOne(2, always(elementary.Sigmoid), always(elementary.SigmoidOf64)))
	register(backend.SigmoidGrad{}, elementwiseTwo(1, always(sigmoidGradLoop[float32]), always(sigmoidGradLoop[float64])))
}

func sigmoidGradLoop[T float](dx, dy, y []T) {
	dx, y = dx[:len(dy)], y[:len(dy)]
	for i, v := range dy {
		dx[i] = v * y[i] * (1 - y[i])
	}
}
