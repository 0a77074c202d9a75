package cpu

import "github.com/goqat/goqat/backend"

func init() {
	register(backend.HardSigmoid{}, elementwiseOne(2, always(hardSigmoidLoop[float32]), always(hardSigmoidLoop[float64])))
	register(backend.HardSigmoidGrad{}, elementwiseTwo(1, always(hardSigmoidGradLoop[float32]), always(hardSigmoidGradLoop[float64])))
}

func hardSigmoidLoop[T float](y, x []T) {
	y = y[:len(x)]
	for i, v := range x {
		y[i] = min(max(v+3, 0), 6) / 6
	}
}

func hardSigmoidGradLoop[T float](dx, dy, x []T) {
	dx, x = dx[:len(dy)], x[:len(dy)]
	for i, d := range dy {
		if x[i] > -3 && x[i] < 3 {
			dx[i] = d / 6
		} else {
			dx[i] = 0
		}
	}
}
