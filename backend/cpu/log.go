package cpu

import "github.com/goqat/goqat/backend"

func init() {
	register(backend.Log{}, elementwiseOne(10, always(logLoop[float32]), always(logLoop[float64])))
}

func logLoop[T float](y, x []T) {
	y = y[:len(x)]
	for i, v := range x {
		y[i] = T(logStable(float64(v)))
	}
}
