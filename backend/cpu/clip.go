package cpu

import (
	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/backend/cpu/internal/codes"
)

func init() {
	register(backend.Clip{}, elementwiseOne(1, clipF32, clipLoop[float64]))
	register(backend.ClipGrad{}, elementwiseTwo(1, clipGradF32, clipGradLoop[float64]))
}

func clipF32(op backend.Op) func(y, x []float32) {
	c := op.(backend.Clip)
	return func(y, x []float32) { codes.Clamp(y, x, c.Lo, c.Hi) }
}

func clipGradF32(op backend.Op) func(dx, dy, y []float32) {
	c := op.(backend.ClipGrad)
	return func(dx, dy, y []float32) { codes.ClampGrad(dx, dy, y, c.Lo, c.Hi) }
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
