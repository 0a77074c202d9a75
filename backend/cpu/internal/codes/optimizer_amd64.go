//go:build amd64 && !purego

package codes

import "unsafe"

func sgd(f SGDFactors, param, grad, velocity []float32) int {
	w := lanes()
	n := count(w, len(param))
	if n == 0 {
		return 0
	}
	factors := [4]float32{f.Rate, f.Momentum, f.Decay}
	// A plain step does not touch the velocity.
	p, g, v, u := &param[0], &grad[0], unsafe.SliceData(velocity), uintptr(n)
	switch {
	case w == 16 && velocity == nil:
		sgdPlainAVX512(p, g, p, &factors, u)
	case w == 16 && f.Nesterov:
		sgdNesterovAVX512(p, g, v, &factors, u)
	case w == 16:
		sgdMomentumAVX512(p, g, v, &factors, u)
	case velocity == nil:
		sgdPlainAVX2(p, g, p, &factors, u)
	case f.Nesterov:
		sgdNesterovAVX2(p, g, v, &factors, u)
	default:
		sgdMomentumAVX2(p, g, v, &factors, u)
	}
	return n
}

func adam(f AdamFactors, param, grad, first, second []float32) int {
	w := lanes()
	n := count(w, len(param))
	factors := [8]float32{f.Shrink, f.Coupled, f.Take, f.Keep2, f.Take2, f.Size, f.Root, f.Eps}
	switch {
	case n == 0:
	case w == 16:
		adamAVX512(&param[0], &grad[0], &first[0], &second[0], &factors, uintptr(n))
	default:
		adamAVX2(&param[0], &grad[0], &first[0], &second[0], &factors, uintptr(n))
	}
	return n
}
