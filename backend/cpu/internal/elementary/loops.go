package elementary

import "math"

// Constants of gelu.
const (
	geluFactor = 0.79788456080286535588 // sqrt(2/pi)
	geluCube   = 0.044715
	// normalPeak is the density of the normal distribution at 0, 1/sqrt(2 pi).
	normalPeak = 0.39894228040143267794
)

// Float is a type of the elements of tensors.
type Float interface{ float32 | float64 }

// Exp writes e^x.
func Exp(y, x []float32) {
	if k := family.Kernel(); k.exp != nil && len(x) > 0 {
		y = y[:len(x)]
		k.exp(&y[0], &x[0], uintptr(len(x)))
		return
	}
	each(y, x, Exp32)
}

// ExpOf64 is Exp for float64.
func ExpOf64(y, x []float64) { each(y, x, math.Exp) }

// Sigmoid writes 1/(1+exp(-x)).
func Sigmoid(y, x []float32) {
	if k := family.Kernel(); k.sigmoid != nil && len(x) > 0 {
		y = y[:len(x)]
		k.sigmoid(&y[0], &x[0], uintptr(len(x)))
		return
	}
	each(y, x, Sigmoid32)
}

// Tanh writes the hyperbolic tangent.
func Tanh(y, x []float32) {
	if k := family.Kernel(); k.tanh != nil && len(x) > 0 {
		y = y[:len(x)]
		k.tanh(&y[0], &x[0], uintptr(len(x)))
		return
	}
	each(y, x, Tanh32)
}

// Gelu writes x times the distribution function of the normal distribution.
func Gelu(y, x []float32) {
	if k := family.Kernel(); k.gelu != nil && len(x) > 0 {
		y = y[:len(x)]
		k.gelu(&y[0], &x[0], uintptr(len(x)))
		return
	}
	gelu(y, x, Normal32)
}

// GeluTanh is the approximation of Gelu by tanh.
func GeluTanh(y, x []float32) {
	if k := family.Kernel(); k.geluTanh != nil && len(x) > 0 {
		y = y[:len(x)]
		k.geluTanh(&y[0], &x[0], uintptr(len(x)))
		return
	}
	geluTanh(y, x, Sigmoid32)
}

// GeluGrad is the gradient of Gelu.
func GeluGrad(dx, dy, x []float32) {
	if k := family.Kernel(); k.geluGrad != nil && len(dy) > 0 {
		dx, x = dx[:len(dy)], x[:len(dy)]
		k.geluGrad(&dx[0], &dy[0], &x[0], uintptr(len(dy)))
		return
	}
	geluGrad(dx, dy, x, Normal32, Exp32)
}

// GeluTanhGrad is the gradient of GeluTanh.
func GeluTanhGrad(dx, dy, x []float32) {
	if k := family.Kernel(); k.geluTanhGrad != nil && len(dy) > 0 {
		dx, x = dx[:len(dy)], x[:len(dy)]
		k.geluTanhGrad(&dx[0], &dy[0], &x[0], uintptr(len(dy)))
		return
	}
	geluTanhGrad(dx, dy, x, Sigmoid32)
}

// The float64 twins, from package math.

// SigmoidOf64 is Sigmoid for float64.
func SigmoidOf64(y, x []float64) { each(y, x, Sigmoid64) }

// TanhOf64 is Tanh for float64.
func TanhOf64(y, x []float64) { each(y, x, math.Tanh) }

// GeluOf64 is Gelu for float64.
func GeluOf64(y, x []float64) { gelu(y, x, Normal64) }

// GeluTanhOf64 is GeluTanh for float64.
func GeluTanhOf64(y, x []float64) { geluTanh(y, x, Sigmoid64) }

// GeluGradOf64 is GeluGrad for float64.
func GeluGradOf64(dx, dy, x []float64) { geluGrad(dx, dy, x, Normal64, math.Exp) }

// GeluTanhGradOf64 is GeluTanhGrad for float64.
func GeluTanhGradOf64(dx, dy, x []float64) { geluTanhGrad(dx, dy, x, Sigmoid64) }

func each[T Float](y, x []T, f func(T) T) {
	y = y[:len(x)]
	for i, v := range x {
		y[i] = f(v)
	}
}

func gelu[T Float](y, x []T, normal func(T) T) {
	y = y[:len(x)]
	for i, v := range x {
		y[i] = v * normal(v)
	}
}

func geluGrad[T Float](dx, dy, x []T, normal, exp func(T) T) {
	dx, x = dx[:len(dy)], x[:len(dy)]
	for i, d := range dy {
		v := x[i]
		dx[i] = d * (normal(v) + T(v*normalPeak*exp(-v*v/2)))
	}
}

// geluTanh uses (1 + tanh(u))/2 = sigmoid(2u), which does not cancel.
func geluTanh[T Float](y, x []T, sigmoid func(T) T) {
	y = y[:len(x)]
	for i, v := range x {
		y[i] = v * sigmoid(2*geluFactor*(v+T(geluCube*v*v*v)))
	}
}

func geluTanhGrad[T Float](dx, dy, x []T, sigmoid func(T) T) {
	dx, x = dx[:len(dy)], x[:len(dy)]
	for i, d := range dy {
		v := x[i]
		s := sigmoid(2 * geluFactor * (v + T(geluCube*v*v*v)))
		slope := 2 * geluFactor * (1 + T(3*geluCube*v*v))
		dx[i] = d * (s + T(v*s*(1-s)*slope))
	}
}
