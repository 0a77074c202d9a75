//go:build amd64 && !purego

package codes

import (
	"unsafe"

	"github.com/goqat/goqat/backend/cpu/internal/isa"
	"github.com/goqat/goqat/quant"
)

//go:generate go -C ../../../../internal/asmgen run ./codes -isa avx512 -out ../../backend/cpu/internal/codes/codes_avx512_amd64.s -stubs ../../backend/cpu/internal/codes/codes_avx512_amd64.go -pkg codes
//go:generate go -C ../../../../internal/asmgen run ./codes -isa avx2 -out ../../backend/cpu/internal/codes/codes_avx2_amd64.s -stubs ../../backend/cpu/internal/codes/codes_avx2_amd64.go -pkg codes

// The functions of this file do the elements that vectors can, from the first
// on, and return their number: all with AVX-512, else whole vectors. Slices
// are not empty, and those of one call as long as each other.

func init() {
	width.Add(isa.AVX2, 8)
	width.Add(isa.AVX512, 16)
}

// lanes returns the elements of a vector of the instruction set in use: 16, 8
// or 0.
func lanes() int { return width.Kernel() }

func vectors() bool { return lanes() > 0 }

// count returns how many of n elements vectors do.
func count(lanes, n int) int {
	switch lanes {
	case 16:
		return n
	case 8:
		return n &^ 7
	}
	return 0
}

func sum(nan *[16]int32) (n int) {
	for _, v := range nan {
		n += int(v)
	}
	return n
}

// streaming returns 1 when memory is to be written past the caches and is
// aligned for that.
func streaming(stream bool, dst *float32) uintptr {
	if stream && uintptr(unsafe.Pointer(dst))%64 == 0 {
		return 1
	}
	return 0
}

func quantize(r quant.Rule, dst, mask []byte, x []float32, p *params) (n, bad int) {
	w := lanes()
	if n = count(w, len(x)); n == 0 {
		return 0, 0
	}
	var nan [16]int32
	d, b, s, u, away := &dst[0], unsafe.SliceData(mask), &x[0], uintptr(n), r.Rounding == quant.HalfAway
	switch {
	case w == 16 && r.Reciprocal && away:
		quantizeMultiplyAwayAVX512(d, b, s, p, &nan, u)
	case w == 16 && r.Reciprocal:
		quantizeMultiplyEvenAVX512(d, b, s, p, &nan, u)
	case w == 16 && away:
		quantizeDivideAwayAVX512(d, b, s, p, &nan, u)
	case w == 16:
		quantizeDivideEvenAVX512(d, b, s, p, &nan, u)
	case r.Reciprocal && away:
		quantizeMultiplyAwayAVX2(d, b, s, p, &nan, u)
	case r.Reciprocal:
		quantizeMultiplyEvenAVX2(d, b, s, p, &nan, u)
	case away:
		quantizeDivideAwayAVX2(d, b, s, p, &nan, u)
	default:
		quantizeDivideEvenAVX2(d, b, s, p, &nan, u)
	}
	return n, sum(&nan)
}

func fakeQuantize(r quant.Rule, stream bool, dst []float32, mask []byte, x []float32, p *params) (n, bad int) {
	w := lanes()
	if n = count(w, len(x)); n == 0 {
		return 0, 0
	}
	var nan [16]int32
	d, b, s, u, away := &dst[0], unsafe.SliceData(mask), &x[0], uintptr(n), r.Rounding == quant.HalfAway
	beyond := streaming(stream, d)
	switch {
	case w == 16 && r.Reciprocal && away:
		fakeQuantizeMultiplyAwayAVX512(d, b, s, beyond, p, &nan, u)
	case w == 16 && r.Reciprocal:
		fakeQuantizeMultiplyEvenAVX512(d, b, s, beyond, p, &nan, u)
	case w == 16 && away:
		fakeQuantizeDivideAwayAVX512(d, b, s, beyond, p, &nan, u)
	case w == 16:
		fakeQuantizeDivideEvenAVX512(d, b, s, beyond, p, &nan, u)
	case r.Reciprocal && away:
		fakeQuantizeMultiplyAwayAVX2(d, b, s, beyond, p, &nan, u)
	case r.Reciprocal:
		fakeQuantizeMultiplyEvenAVX2(d, b, s, beyond, p, &nan, u)
	case away:
		fakeQuantizeDivideAwayAVX2(d, b, s, beyond, p, &nan, u)
	default:
		fakeQuantizeDivideEvenAVX2(d, b, s, beyond, p, &nan, u)
	}
	return n, sum(&nan)
}

func dequantizeCodes(dst []float32, codes []byte, signed bool, p *params) int {
	w := lanes()
	n := count(w, len(codes))
	switch {
	case n == 0:
	case w == 16 && signed:
		dequantizeInt8AVX512(&dst[0], &codes[0], p, uintptr(n))
	case w == 16:
		dequantizeUint8AVX512(&dst[0], &codes[0], p, uintptr(n))
	case signed:
		dequantizeInt8AVX2(&dst[0], &codes[0], p, uintptr(n))
	default:
		dequantizeUint8AVX2(&dst[0], &codes[0], p, uintptr(n))
	}
	return n
}

func steGrad(stream bool, dst, dy []float32, mask []byte) int {
	w := lanes()
	n := count(w, len(dst))
	switch {
	case n == 0:
	case w == 16:
		steGradAVX512(&dst[0], &dy[0], &mask[0], streaming(stream, &dst[0]), uintptr(n))
	default:
		steGradAVX2(&dst[0], &dy[0], &mask[0], streaming(stream, &dst[0]), uintptr(n))
	}
	return n
}

func requantize(dst, mask []byte, acc, add []int32, m []float32, p *params, channels int) int {
	w := lanes()
	n := count(w, len(acc))
	b := unsafe.SliceData(mask)
	switch {
	case n == 0:
	case w == 16:
		requantizeAVX512(&dst[0], b, &acc[0], &add[0], &m[0], p, uintptr(channels), uintptr(w%channels), uintptr(n))
	default:
		requantizeAVX2(&dst[0], b, &acc[0], &add[0], &m[0], p, uintptr(channels), uintptr(w%channels), uintptr(n))
	}
	return n
}

func requantizeFixed(double bool, dst, mask []byte, acc, add, m, left, right []int32, p *params, channels int) int {
	w := lanes()
	n := count(w, len(acc))
	if n == 0 {
		return 0
	}
	b, u, step, size := unsafe.SliceData(mask), uintptr(channels), uintptr(w%channels), uintptr(n)
	switch {
	case w == 16 && double:
		requantizeDoubleAVX512(&dst[0], b, &acc[0], &add[0], &m[0], &left[0], &right[0], p, u, step, size)
	case w == 16:
		requantizeSingleAVX512(&dst[0], b, &acc[0], &add[0], &m[0], &left[0], &right[0], p, u, step, size)
	case double:
		requantizeDoubleAVX2(&dst[0], b, &acc[0], &add[0], &m[0], &left[0], &right[0], p, u, step, size)
	default:
		requantizeSingleAVX2(&dst[0], b, &acc[0], &add[0], &m[0], &left[0], &right[0], p, u, step, size)
	}
	return n
}

func dequantizeSums(dst []float32, acc, add []int32, scale, bias []float32, channels int) int {
	w := lanes()
	n := count(w, len(acc))
	switch {
	case n == 0:
	case w == 16:
		dequantizeSumsAVX512(&dst[0], &acc[0], &add[0], &scale[0], &bias[0], uintptr(channels), uintptr(w%channels), uintptr(n))
	default:
		dequantizeSumsAVX2(&dst[0], &acc[0], &add[0], &scale[0], &bias[0], uintptr(channels), uintptr(w%channels), uintptr(n))
	}
	return n
}

func affine(dst, x, scale, shift []float32, channels int) int {
	w := lanes()
	n := count(w, len(x))
	switch {
	case n == 0:
	case w == 16:
		affineAVX512(&dst[0], &x[0], &scale[0], &shift[0], uintptr(channels), uintptr(w%channels), uintptr(n))
	default:
		affineAVX2(&dst[0], &x[0], &scale[0], &shift[0], uintptr(channels), uintptr(w%channels), uintptr(n))
	}
	return n
}

func normGrad(dst, dy, x, ofDy, mean, ofX, plus []float32, channels int) int {
	w := lanes()
	n := count(w, len(x))
	switch {
	case n == 0:
	case w == 16:
		normGradAVX512(&dst[0], &dy[0], &x[0], &ofDy[0], &mean[0], &ofX[0], &plus[0], uintptr(channels), uintptr(w%channels), uintptr(n))
	default:
		normGradAVX2(&dst[0], &dy[0], &x[0], &ofDy[0], &mean[0], &ofX[0], &plus[0], uintptr(channels), uintptr(w%channels), uintptr(n))
	}
	return n
}

func extremes(x []float32, lo, hi float32) (n int, least, most float32, nan bool) {
	w := lanes()
	if n = count(w, len(x)); n == 0 {
		return 0, lo, hi, false
	}
	var los, his [16]float32
	var bad [16]int32
	for i := range los {
		los[i], his[i] = lo, hi
	}
	if w == 16 {
		extremesAVX512(&x[0], &los, &his, &bad, uintptr(n))
	} else {
		extremesAVX2(&x[0], &los, &his, &bad, uintptr(n))
	}
	for i, v := range los {
		lo, hi, nan = min(lo, v), max(hi, his[i]), nan || bad[i] != 0
	}
	return n, lo, hi, nan
}
