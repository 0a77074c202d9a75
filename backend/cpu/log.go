package cpu

import (
	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/backend/cpu/internal/elementary"
)

func init() {
	register(backend.Log{}, elementwiseOne(10, always(logLoop[float32]), always(logLoop[float64])))
}

func logLoop[T float](y, x []T) {
	y = y[:len(x)]
	for i, v := range x {
		y[i] = T(elementary.Log(float64(v)))
	}
}
