//go:build amd64 && !purego

package codes

import "github.com/goqat/goqat/quant"

// lsqGrad does a number of elements that ends on a lane's first one.
func lsqGrad(r quant.Rule, stream bool, dx, dy, x []float32, p *params, lanes16 *[16]float64) (n, bad int) {
	w := lanes()
	if n = count(w, len(x)); w < 16 {
		n &^= 15
	}
	if n == 0 {
		return 0, 0
	}
	dx, dy = dx[:len(x)], dy[:len(x)]
	var nan [16]int32
	o, d, v, u, away := &dx[0], &dy[0], &x[0], uintptr(n), r.Rounding == quant.HalfAway
	beyond := streaming(stream, o)
	switch {
	case w == 16 && r.Reciprocal && away:
		lsqGradMultiplyAwayAVX512(o, d, v, p, lanes16, &nan, beyond, u)
	case w == 16 && r.Reciprocal:
		lsqGradMultiplyEvenAVX512(o, d, v, p, lanes16, &nan, beyond, u)
	case w == 16 && away:
		lsqGradDivideAwayAVX512(o, d, v, p, lanes16, &nan, beyond, u)
	case w == 16:
		lsqGradDivideEvenAVX512(o, d, v, p, lanes16, &nan, beyond, u)
	case r.Reciprocal && away:
		lsqGradMultiplyAwayAVX2(o, d, v, p, lanes16, &nan, beyond, u)
	case r.Reciprocal:
		lsqGradMultiplyEvenAVX2(o, d, v, p, lanes16, &nan, beyond, u)
	case away:
		lsqGradDivideAwayAVX2(o, d, v, p, lanes16, &nan, beyond, u)
	default:
		lsqGradDivideEvenAVX2(o, d, v, p, lanes16, &nan, beyond, u)
	}
	return n, sum(&nan)
}
