package cpu

import "github.com/goqat/goqat/backend"

func init() {
	register(backend.HardSwish{}, elementwiseOne(2, always(hardSwishLoop[float32]), always(hardSwishLoop[float64])))
	register(backend.HardSwishGrad{}, elementwiseTwo(2, always(hardSwishGradLoop[float32]), always(hardSwishGradLoop[float64])))
}

func hardSwishLoop[T float](y, x []T) {
	y = y[:len(x)]
	for i, v := range x {
		y[i] = v * min(max(v+3, 0), 6) / 6
	}
}

func hardSwishGradLoop[T float](dx, dy, x []T) {
	dx, x = dx[:len(dy)], x[:len(dy)]
	for i, d := range dy {
		switch v := x[i]; {
		case v <= -3:
			d = 0
		case v <= 3:
			d = d * (T(2*v) + 3) / 6
		}
		dx[i] = d
	}
}
