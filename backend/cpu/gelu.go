package cpu

import (
	"math"

	"github.com/goqat/goqat/backend"
)

const (
	geluFactor = 0.79788456080286535588 // sqrt(2/pi)
	geluCube   = 0.044715
	// The density of the normal distribution at 0, 1/sqrt(2 pi).
	normalPeak = 0.39894228040143267794
)

func init() {
	register(backend.Gelu{}, elementwiseOne(8,
		func(op backend.Op) func(y, x []float32) {
			if op.(backend.Gelu).Tanh {
				return geluTanhLoop(sigmoid32)
			}
			return geluLoop(normal32)
		},
		func(op backend.Op) func(y, x []float64) {
			if op.(backend.Gelu).Tanh {
				return geluTanhLoop(sigmoid64)
			}
			return geluLoop(normal64)
		}))
	register(backend.GeluGrad{}, elementwiseTwo(12,
		func(op backend.Op) func(dx, dy, x []float32) {
			if op.(backend.GeluGrad).Tanh {
				return geluTanhGradLoop(sigmoid32)
			}
			return geluGradLoop(normal32, exp32)
		},
		func(op backend.Op) func(dx, dy, x []float64) {
			if op.(backend.GeluGrad).Tanh {
				return geluTanhGradLoop(sigmoid64)
			}
			return geluGradLoop(normal64, math.Exp)
		}))
}

func geluLoop[T float](normal func(T) T) func(y, x []T) {
	return func(y, x []T) {
		y = y[:len(x)]
		for i, v := range x {
			y[i] = v * normal(v)
		}
	}
}

func geluGradLoop[T float](normal, exp func(T) T) func(dx, dy, x []T) {
	return func(dx, dy, x []T) {
		dx, x = dx[:len(dy)], x[:len(dy)]
		for i, d := range dy {
			v := x[i]
			dx[i] = d * (normal(v) + T(v*normalPeak*exp(-v*v/2)))
		}
	}
}

// geluTanhLoop uses (1 + tanh(u))/2 = sigmoid(2u), which does not cancel.
func geluTanhLoop[T float](sigmoid func(T) T) func(y, x []T) {
	return func(y, x []T) {
		y = y[:len(x)]
		for i, v := range x {
			y[i] = v * sigmoid(2*geluFactor*(v+T(geluCube*v*v*v)))
		}
	}
}

func geluTanhGradLoop[T float](sigmoid func(T) T) func(dx, dy, x []T) {
	return func(dx, dy, x []T) {
		dx, x = dx[:len(dy)], x[:len(dy)]
		for i, d := range dy {
			v := x[i]
			s := sigmoid(2 * geluFactor * (v + T(geluCube*v*v*v)))
			slope := 2 * geluFactor * (1 + T(3*geluCube*v*v))
			dx[i] = d * (s + T(v*s*(1-s)*slope))
		}
	}
}
