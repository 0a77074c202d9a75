package cpu

import "github.com/goqat/goqat/backend"

func init() {
	register(backend.Neg{}, elementwiseOne(1, always(negLoop[float32]), always(negLoop[float64])))
}

func negLoop[T float](y, x []T) {
	y = y[:len(x)]
	for i, v := range x {
		y[i] = -v
	}
}
