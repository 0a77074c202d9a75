//go:build arm64 && !purego

package codes

import "unsafe"

// sgdNEON does a step of stochastic gradient descent; factors are rate,
// momentum and decay, velocity may be nil.
//
//go:noescape
func sgdNEON(param, grad, velocity *float32, factors *[3]float32, nesterov bool, n uintptr)

// adamNEON does a step of Adam.
//
//go:noescape
func adamNEON(param, grad, first, second *float32, factors *AdamFactors, n uintptr)

func sgd(f SGDFactors, param, grad, velocity []float32) int {
	n := count(len(param))
	if n > 0 {
		sgdNEON(&param[0], &grad[0], unsafe.SliceData(velocity), &[3]float32{f.Rate, f.Momentum, f.Decay}, f.Nesterov, uintptr(n))
	}
	return n
}

func adam(f AdamFactors, param, grad, first, second []float32) int {
	n := count(len(param))
	if n > 0 {
		adamNEON(&param[0], &grad[0], &first[0], &second[0], &f, uintptr(n))
	}
	return n
}
