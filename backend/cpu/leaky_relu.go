package cpu

import "github.com/goqat/goqat/backend"

func init() {
	register(backend.LeakyRelu{}, elementwiseOne(1, leakyReluLoop[float32], leakyReluLoop[float64]))
	register(backend.LeakyReluGrad{}, elementwiseTwo(1, leakyReluGradLoop[float32], leakyReluGradLoop[float64]))
}

func leakyReluLoop[T float](op backend.Op) func(y, x []T) {
	alpha := T(op.(backend.LeakyRelu).Alpha)
	return func(y, x []T) {
		y = y[:len(x)]
		for i, v := range x {
			if !(v > 0) {
				v *= alpha
			}
			y[i] = v
		}
	}
}

func leakyReluGradLoop[T float](op backend.Op) func(dx, dy, x []T) {
	alpha := T(op.(backend.LeakyReluGrad).Alpha)
	return func(dx, dy, x []T) {
		dx, x = dx[:len(dy)], x[:len(dy)]
		for i, d := range dy {
			if !(x[i] > 0) {
				d *= alpha
			}
			dx[i] = d
		}
	}
}
