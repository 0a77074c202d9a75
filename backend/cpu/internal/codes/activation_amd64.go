//go:build amd64 && !purego

package codes

import (
	"unsafe"

	"github.com/goqat/goqat/quant"
)

func quantizeActivation(r quant.Rule, a *Activation, dst, mask []byte, x []float32, p *params) (n, bad int) {
	w := lanes()
	if n = count(w, len(x)); n == 0 {
		return 0, 0
	}
	away := r.Rounding == quant.HalfAway
	d, b, v, scale, shift := &dst[0], unsafe.SliceData(mask), &x[0], &a.Scale[0], &a.Shift[0]
	c, step, u := uintptr(a.Channels), uintptr(w%a.Channels), uintptr(n)
	var nan [16]int32
	switch {
	case w == 16 && r.Reciprocal && away:
		quantizeActivationMultiplyAwayAVX512(d, b, v, scale, shift, c, step, p, &nan, u)
	case w == 16 && r.Reciprocal:
		quantizeActivationMultiplyEvenAVX512(d, b, v, scale, shift, c, step, p, &nan, u)
	case w == 16 && away:
		quantizeActivationDivideAwayAVX512(d, b, v, scale, shift, c, step, p, &nan, u)
	case w == 16:
		quantizeActivationDivideEvenAVX512(d, b, v, scale, shift, c, step, p, &nan, u)
	case r.Reciprocal && away:
		quantizeActivationMultiplyAwayAVX2(d, b, v, scale, shift, c, step, p, &nan, u)
	case r.Reciprocal:
		quantizeActivationMultiplyEvenAVX2(d, b, v, scale, shift, c, step, p, &nan, u)
	case away:
		quantizeActivationDivideAwayAVX2(d, b, v, scale, shift, c, step, p, &nan, u)
	default:
		quantizeActivationDivideEvenAVX2(d, b, v, scale, shift, c, step, p, &nan, u)
	}
	return n, sum(&nan)
}

func clamp(dst, x []float32, low, high float32) int {
	w := lanes()
	n := count(w, len(x))
	switch {
	case n == 0:
	case w == 16:
		clampAVX512(&dst[0], &x[0], low, high, uintptr(n))
	default:
		clampAVX2(&dst[0], &x[0], low, high, uintptr(n))
	}
	return n
}

func clampGrad(dst, dy, y []float32, low, high float32) int {
	w := lanes()
	n := count(w, len(dy))
	switch {
	case n == 0:
	case w == 16:
		clampGradAVX512(&dst[0], &dy[0], &y[0], low, high, uintptr(n))
	default:
		clampGradAVX2(&dst[0], &dy[0], &y[0], low, high, uintptr(n))
	}
	return n
}
