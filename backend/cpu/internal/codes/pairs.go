package codes

import (
	"math"

	"github.com/goqat/goqat/quant"
)

// sides are, of each operand, what makes unsigned bytes of its codes, zero
// point and scale.
type sides = [6]uint32

// AddCodes is [quant.AddCodes] on all elements.
func AddCodes[T, A, B quant.Code](p *quant.AddParams, dst []T, mask []byte, a []A, b []B) {
	n := 0
	if r, ok := pairing(p.Rule, p.SY, p.ZY, p.Lo, p.Hi); ok && usual(p.SA) && usual(p.SB) && len(dst) > 0 {
		sb := p.SB
		if p.Subtract {
			sb = -sb
		}
		s := twoSides[A, B](p.SA, p.ZA, sb, p.ZB)
		n = pair(false, p.Rule, bytesOf(dst), mask, bytesOf(a[:len(dst)]), bytesOf(b[:len(dst)]), &s, &r)
	}
	if n < len(dst) {
		quant.AddCodes(p, dst, mask, a, b, n, len(dst))
	}
}

// MulCodes is [quant.MulCodes] on all elements.
func MulCodes[T, A, B quant.Code](p *quant.MulParams, dst []T, mask []byte, a []A, b []B) {
	n := 0
	if r, ok := pairing(p.Rule, p.SY, p.ZY, p.Lo, p.Hi); ok && usual(p.SA) && usual(p.SB) && len(dst) > 0 {
		s := twoSides[A, B](p.SA, p.ZA, p.SB, p.ZB)
		n = pair(true, p.Rule, bytesOf(dst), mask, bytesOf(a[:len(dst)]), bytesOf(b[:len(dst)]), &s, &r)
	}
	if n < len(dst) {
		quant.MulCodes(p, dst, mask, a, b, n, len(dst))
	}
}

// usual reports whether numbers of this scale have sums and products that are
// numbers, and a quotient by it, too.
func usual(scale float32) bool { return scale > 1e-15 && scale < 1e15 }

// pairing returns the parameters of a result; false when the vectors do not
// compute its rule.
func pairing(r quant.Rule, scale float32, zero, lo, hi int32) (params, bool) {
	if r.Requant != quant.RequantFloat || r.Rounding != quant.HalfEven || !usual(scale) || !vectors() {
		return params{}, false
	}
	return quantizing(r, scale, zero, lo, hi)
}

func twoSides[A, B quant.Code](sa float32, za int32, sb float32, zb int32) sides {
	fa, za := unsign[A](za)
	fb, zb := unsign[B](zb)
	return sides{fa, uint32(za), math.Float32bits(sa), fb, uint32(zb), math.Float32bits(sb)}
}

// unsign returns what a code is to be xored with, and the zero point then.
func unsign[A quant.Code](zero int32) (flip uint32, shifted int32) {
	if signed[A]() {
		return 0x80808080, zero + 128
	}
	return 0, zero
}
