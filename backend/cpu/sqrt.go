package cpu

import (
	"math"

	"github.com/goqat/goqat/backend"
)

func init() {
	register(backend.Sqrt{}, elementwiseOne(3, always(sqrtLoop[float32]), always(sqrtLoop[float64])))
}

// sqrtLoop rounds the float64 root, which for float32 is the correctly
// rounded float32 root.
func sqrtLoop[T float](y, x []T) {
	y = y[:len(x)]
	for i, v := range x {
		y[i] = T(math.Sqrt(float64(v)))
	}
}
