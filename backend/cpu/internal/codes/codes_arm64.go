//go:build arm64 && !purego

package codes

import (
	"unsafe"

	"github.com/goqat/goqat/backend/cpu/internal/isa"
	"github.com/goqat/goqat/quant"
)

// The functions of this file do the elements that vectors can, from the first
// on, and return their number: whole groups of 8. Slices are not empty, and
// those of one call as long as each other.

func init() { width.Add(isa.NEON, 8) }

func vectors() bool { return width.Kernel() > 0 }

// count returns how many of n elements vectors do.
func count(n int) int {
	if vectors() {
		return n &^ 7
	}
	return 0
}

// step is what the channel of an element is further on after 8 elements.
func step(channels int) (of, by uintptr) { return uintptr(channels), uintptr(8 % channels) }

// Of the functions in assembly n is a multiple of 8 and at least 8, mask may
// be nil, and nan is the number of elements that are no numbers.

// quantizeDivideEvenNEON writes codes of quotients, ties to even.
//
//go:noescape
func quantizeDivideEvenNEON(dst, mask *byte, x *float32, p *[12]uint32, n uintptr) (nan uintptr)

// quantizeDivideAwayNEON writes codes of quotients, ties away from zero.
//
//go:noescape
func quantizeDivideAwayNEON(dst, mask *byte, x *float32, p *[12]uint32, n uintptr) (nan uintptr)

// quantizeMultiplyEvenNEON writes codes of products, ties to even.
//
//go:noescape
func quantizeMultiplyEvenNEON(dst, mask *byte, x *float32, p *[12]uint32, n uintptr) (nan uintptr)

// quantizeMultiplyAwayNEON writes codes of products, ties away from zero.
//
//go:noescape
func quantizeMultiplyAwayNEON(dst, mask *byte, x *float32, p *[12]uint32, n uintptr) (nan uintptr)

// fakeQuantizeDivideEvenNEON writes the real numbers of codes of quotients,
// ties to even.
//
//go:noescape
func fakeQuantizeDivideEvenNEON(dst *float32, mask *byte, x *float32, p *[12]uint32, n uintptr) (nan uintptr)

// fakeQuantizeDivideAwayNEON writes the real numbers of codes of quotients,
// ties away from zero.
//
//go:noescape
func fakeQuantizeDivideAwayNEON(dst *float32, mask *byte, x *float32, p *[12]uint32, n uintptr) (nan uintptr)

// fakeQuantizeMultiplyEvenNEON writes the real numbers of codes of products,
// ties to even.
//
//go:noescape
func fakeQuantizeMultiplyEvenNEON(dst *float32, mask *byte, x *float32, p *[12]uint32, n uintptr) (nan uintptr)

// fakeQuantizeMultiplyAwayNEON writes the real numbers of codes of products,
// ties away from zero.
//
//go:noescape
func fakeQuantizeMultiplyAwayNEON(dst *float32, mask *byte, x *float32, p *[12]uint32, n uintptr) (nan uintptr)

// requantizeNEON writes the codes of the sums acc+add times m.
//
//go:noescape
func requantizeNEON(dst, mask *byte, acc, add *int32, m *float32, p *[12]uint32, channels, step, n uintptr)

// requantizeDoubleNEON writes the codes of the sums acc+add times
// m * 2^(left-right-31), rounded twice.
//
//go:noescape
func requantizeDoubleNEON(dst, mask *byte, acc, add, m, left, right *int32, p *[12]uint32, channels, step, n uintptr)

// requantizeSingleNEON writes the codes of the sums acc+add times
// m * 2^(left-right-31), rounded once.
//
//go:noescape
func requantizeSingleNEON(dst, mask *byte, acc, add, m, left, right *int32, p *[12]uint32, channels, step, n uintptr)

// steGradNEON writes dy where the mask bit is set, else 0.
//
//go:noescape
func steGradNEON(dst, dy *float32, mask *byte, n uintptr)

// dequantizeSumsNEON writes (acc+add) * scale + bias, every step rounded.
//
//go:noescape
func dequantizeSumsNEON(dst *float32, acc, add *int32, scale, bias *float32, channels, step, n uintptr)

// dequantizeInt8NEON writes (code-origin) * scale.
//
//go:noescape
func dequantizeInt8NEON(dst *float32, codes *byte, p *[12]uint32, n uintptr)

// dequantizeUint8NEON writes (code-origin) * scale.
//
//go:noescape
func dequantizeUint8NEON(dst *float32, codes *byte, p *[12]uint32, n uintptr)

// affineNEON writes x * scale + shift, the product rounded.
//
//go:noescape
func affineNEON(dst, x, scale, shift *float32, channels, step, n uintptr)

// normGradNEON writes dy * ofDy + (x-mean) * ofX + plus, every step rounded.
//
//go:noescape
func normGradNEON(dst, dy, x, ofDy, mean, ofX, plus *float32, channels, step, n uintptr)

// extremesNEON widens the least numbers, the first four of ends, and the most,
// the last four, lane by lane, by the numbers of x.
//
//go:noescape
func extremesNEON(x *float32, ends *[8]float32, n uintptr) (nan uintptr)

func quantize(r quant.Rule, dst, mask []byte, x []float32, p *params) (n, bad int) {
	if n = count(len(x)); n == 0 {
		return 0, 0
	}
	d, b, s, u := &dst[0], unsafe.SliceData(mask), &x[0], uintptr(n)
	var nan uintptr
	switch away := r.Rounding == quant.HalfAway; {
	case r.Reciprocal && away:
		nan = quantizeMultiplyAwayNEON(d, b, s, p, u)
	case r.Reciprocal:
		nan = quantizeMultiplyEvenNEON(d, b, s, p, u)
	case away:
		nan = quantizeDivideAwayNEON(d, b, s, p, u)
	default:
		nan = quantizeDivideEvenNEON(d, b, s, p, u)
	}
	return n, int(nan)
}

func fakeQuantize(r quant.Rule, _ bool, dst []float32, mask []byte, x []float32, p *params) (n, bad int) {
	if n = count(len(x)); n == 0 {
		return 0, 0
	}
	d, b, s, u := &dst[0], unsafe.SliceData(mask), &x[0], uintptr(n)
	var nan uintptr
	switch away := r.Rounding == quant.HalfAway; {
	case r.Reciprocal && away:
		nan = fakeQuantizeMultiplyAwayNEON(d, b, s, p, u)
	case r.Reciprocal:
		nan = fakeQuantizeMultiplyEvenNEON(d, b, s, p, u)
	case away:
		nan = fakeQuantizeDivideAwayNEON(d, b, s, p, u)
	default:
		nan = fakeQuantizeDivideEvenNEON(d, b, s, p, u)
	}
	return n, int(nan)
}

func dequantizeCodes(dst []float32, codes []byte, signed bool, p *params) int {
	n := count(len(codes))
	switch {
	case n == 0:
	case signed:
		dequantizeInt8NEON(&dst[0], &codes[0], p, uintptr(n))
	default:
		dequantizeUint8NEON(&dst[0], &codes[0], p, uintptr(n))
	}
	return n
}

func steGrad(_ bool, dst, dy []float32, mask []byte) int {
	n := count(len(dst))
	if n > 0 {
		steGradNEON(&dst[0], &dy[0], &mask[0], uintptr(n))
	}
	return n
}

func requantize(dst, mask []byte, acc, add []int32, m []float32, p *params, channels int) int {
	n := count(len(acc))
	if n > 0 {
		of, by := step(channels)
		requantizeNEON(&dst[0], unsafe.SliceData(mask), &acc[0], &add[0], &m[0], p, of, by, uintptr(n))
	}
	return n
}

func requantizeFixed(double bool, dst, mask []byte, acc, add, m, left, right []int32, p *params, channels int) int {
	n := count(len(acc))
	if n == 0 {
		return 0
	}
	b, u := unsafe.SliceData(mask), uintptr(n)
	of, by := step(channels)
	if double {
		requantizeDoubleNEON(&dst[0], b, &acc[0], &add[0], &m[0], &left[0], &right[0], p, of, by, u)
	} else {
		requantizeSingleNEON(&dst[0], b, &acc[0], &add[0], &m[0], &left[0], &right[0], p, of, by, u)
	}
	return n
}

func dequantizeSums(dst []float32, acc, add []int32, scale, bias []float32, channels int) int {
	n := count(len(acc))
	if n > 0 {
		of, by := step(channels)
		dequantizeSumsNEON(&dst[0], &acc[0], &add[0], &scale[0], &bias[0], of, by, uintptr(n))
	}
	return n
}

func affine(dst, x, scale, shift []float32, channels int) int {
	n := count(len(x))
	if n > 0 {
		of, by := step(channels)
		affineNEON(&dst[0], &x[0], &scale[0], &shift[0], of, by, uintptr(n))
	}
	return n
}

func normGrad(dst, dy, x, ofDy, mean, ofX, plus []float32, channels int) int {
	n := count(len(x))
	if n > 0 {
		of, by := step(channels)
		normGradNEON(&dst[0], &dy[0], &x[0], &ofDy[0], &mean[0], &ofX[0], &plus[0], of, by, uintptr(n))
	}
	return n
}

func extremes(x []float32, lo, hi float32) (n int, least, most float32, nan bool) {
	if n = count(len(x)); n == 0 {
		return 0, lo, hi, false
	}
	ends := [8]float32{lo, lo, lo, lo, hi, hi, hi, hi}
	nan = extremesNEON(&x[0], &ends, uintptr(n)) > 0
	for i := range 4 {
		lo, hi = min(lo, ends[i]), max(hi, ends[4+i])
	}
	return n, lo, hi, nan
}
