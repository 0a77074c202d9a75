package cpu

import (
	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/backend/cpu/internal/elementary"
)

func init() {
	register(backend.Tanh{}, elementwiseOne(2, always(elementary.Tanh), always(elementary.TanhOf64)))
	register(backend.TanhGrad{}, elementwiseTwo(1, always(tanhGradLoop[float32]), always(tanhGradLoop[float64])))
}

func tanhGradLoop[T float](dx, dy, y []T) {
	dx, y = dx[:len(dy)], y[:len(dy)]
	for i, v := range dy {
		dx[i] = v * (1 - T(y[i]*y[i]))
	}
}
