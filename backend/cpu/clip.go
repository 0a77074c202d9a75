package cpu

import "github.com/goqat/goqat/backend"

func init() {
	register(backend.Clip{}, elementwiseOne(1, clipLoop[float32], clipLoop[float64]))
	register(backend.ClipGrad{}, elementwiseTwo(1, clipGradLoop[float32], clipGradLoop[float64]))
}

func clipLoop[T float](op backend.Op) func(y, x []T) {
	c := op.(backend.Clip)
	low, high := T(c.Lo), T(c.Hi)
	return func(y, x []T) {
		y = y[:len(x)]
		for i, v := range x {
			if v < low {
				v = low
			}
			if v > high {
				v = high
			}
			y[i] = v
		}
	}
}

func clipGradLoop[T float](op backend.Op) func(dx, dy, y []T) {
	c := op.(backend.ClipGrad)
	low, high := T(c.Lo), T(c.Hi)
	return func(dx, dy, y []T) {
		dx, y = dx[:len(dy)], y[:len(dy)]
		for i, v := range dy {
			if y[i] > low && y[i] < high {
				dx[i] = v
			} else {
				dx[i] = 0
			}
		}
	}
}
