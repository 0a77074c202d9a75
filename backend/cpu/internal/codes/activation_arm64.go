//go:build arm64 && !purego

package codes

import (
	"unsafe"

	"github.com/goqat/goqat/quant"
)

// quantizeActivationDivideEvenNEON writes codes of activations, of quotients,
// ties to even.
//
//go:noescape
func quantizeActivationDivideEvenNEON(dst, mask *byte, x, scale, shift *float32, channels, step uintptr, p *[12]uint32, n uintptr) (nan uintptr)

// quantizeActivationDivideAwayNEON writes codes of activations, of quotients,
// ties away from zero.
//
//go:noescape
func quantizeActivationDivideAwayNEON(dst, mask *byte, x, scale, shift *float32, channels, step uintptr, p *[12]uint32, n uintptr) (nan uintptr)

// quantizeActivationMultiplyEvenNEON writes codes of activations, of products,
// ties to even.
//
//go:noescape
func quantizeActivationMultiplyEvenNEON(dst, mask *byte, x, scale, shift *float32, channels, step uintptr, p *[12]uint32, n uintptr) (nan uintptr)

// quantizeActivationMultiplyAwayNEON writes codes of activations, of products,
// ties away from zero.
//
//go:noescape
func quantizeActivationMultiplyAwayNEON(dst, mask *byte, x, scale, shift *float32, channels, step uintptr, p *[12]uint32, n uintptr) (nan uintptr)

// clampNEON writes x clamped to [low, high]; a NaN stays.
//
//go:noescape
func clampNEON(dst, x *float32, low, high float32, n uintptr)

// clampGradNEON writes dy where y is above low and not at or above high, else
// 0.
//
//go:noescape
func clampGradNEON(dst, dy, y *float32, low, high float32, n uintptr)

func quantizeActivation(r quant.Rule, a *Activation, dst, mask []byte, x []float32, p *params) (n, bad int) {
	if n = count(len(x)); n == 0 {
		return 0, 0
	}
	d, b, v, scale, shift, u := &dst[0], unsafe.SliceData(mask), &x[0], &a.Scale[0], &a.Shift[0], uintptr(n)
	of, by := step(a.Channels)
	var nan uintptr
	switch away := r.Rounding == quant.HalfAway; {
	case r.Reciprocal && away:
		nan = quantizeActivationMultiplyAwayNEON(d, b, v, scale, shift, of, by, p, u)
	case r.Reciprocal:
		nan = quantizeActivationMultiplyEvenNEON(d, b, v, scale, shift, of, by, p, u)
	case away:
		nan = quantizeActivationDivideAwayNEON(d, b, v, scale, shift, of, by, p, u)
	default:
		nan = quantizeActivationDivideEvenNEON(d, b, v, scale, shift, of, by, p, u)
	}
	return n, int(nan)
}

func clamp(dst, x []float32, low, high float32) int {
	n := count(len(x))
	if n > 0 {
		clampNEON(&dst[0], &x[0], low, high, uintptr(n))
	}
	return n
}

func clampGrad(dst, dy, y []float32, low, high float32) int {
	n := count(len(dy))
	if n > 0 {
		clampGradNEON(&dst[0], &dy[0], &y[0], low, high, uintptr(n))
	}
	return n
}
