//go:build arm64 && !purego

package elementary

import (
	"math"
	"unsafe"

	"github.com/goqat/goqat/backend/cpu/internal/isa"
)

func init() {
	family.Add(isa.NEON, &kernels{
		exp:         func(y, x *float32, n uintptr) { expOf(unsafe.Slice(y, n), unsafe.Slice(x, n), 0, 1) },
		expSum:      expSumNEON,
		softmaxRows: softmaxRowsNEON,
		scaleRows:   scaleRowsNEON,
	})
}

// expTable has the constants of Exp32: log2(e), the rounding number, ln 2 in
// two parts, the polynomial, 1, the ends of the range, +Inf and the bias of
// exponents.
var expTable = func() (t [15]uint32) {
	for i, v := range []float32{log2E, roundMagic, ln2Hi, ln2Lo, 1.9875691500e-4, 1.3981999507e-3, 8.3334519073e-3,
		4.1665795894e-2, 1.6666665459e-1, 5.0000001201e-1, 1, 88.722839, -104, float32(math.Inf(1))} {
		t[i] = math.Float32bits(v)
	}
	t[14] = 127
	return t
}()

// Of the functions in assembly n is positive and a multiple of 4, for sums of
// 16.

// expNEON writes exp((x-shift) * factor).
//
//go:noescape
func expNEON(y, x *float32, shift, factor float32, table *[15]uint32, n uintptr)

// sumNEON adds to the lanes of a sum.
//
//go:noescape
func sumNEON(sums *[lanes]float64, x *float32, n uintptr)

// mostNEON makes most, lane by lane, the larger of it and x.
//
//go:noescape
func mostNEON(most *[4]float32, x *float32, n uintptr)

// scaleNEON writes times * (x*factor - less), every step rounded.
//
//go:noescape
func scaleNEON(y, x *float32, factor, less, times float32, n uintptr)

func expOf(y, x []float32, shift, factor float32) {
	n := len(x) &^ 3
	if n > 0 {
		expNEON(&y[0], &x[0], shift, factor, &expTable, uintptr(n))
	}
	if n < len(x) {
		var from, to [4]float32
		copy(from[:], x[n:])
		expNEON(&to[0], &from[0], shift, factor, &expTable, 4)
		copy(y[n:], to[:len(x)-n])
	}
}

func expSumNEON(py, px *float32, shift, factor float32, n uintptr) float64 {
	y := unsafe.Slice(py, n)
	expOf(y, unsafe.Slice(px, n), shift, factor)
	var s [lanes]float64
	whole := len(y) &^ (lanes - 1)
	if whole > 0 {
		sumNEON(&s, &y[0], uintptr(whole))
	}
	for i, v := range y[whole:] {
		s[i] += float64(v)
	}
	return total(&s)
}

func mostOf(x []float32) float32 {
	inf := float32(math.Inf(-1))
	m := [4]float32{inf, inf, inf, inf}
	n := len(x) &^ 3
	if n > 0 {
		mostNEON(&m, &x[0], uintptr(n))
	}
	return max(Max(m[:]), Max(x[n:]))
}

func softmaxRowsNEON(py, px, pmost *float32, psum *float64, rows, n uintptr) {
	y, x := unsafe.Slice(py, rows*n), unsafe.Slice(px, rows*n)
	most, sum := unsafe.Slice(pmost, rows), unsafe.Slice(psum, rows)
	for r := range most {
		at := r * int(n)
		most[r] = mostOf(x[at:][:n])
		sum[r] = expSumNEON(&y[at], &x[at], most[r], 1, n)
	}
}

func scaleRowsNEON(py, px, pfactor *float32, less, times float32, rows, n uintptr) {
	y, x, factor := unsafe.Slice(py, rows*n), unsafe.Slice(px, rows*n), unsafe.Slice(pfactor, rows)
	whole := int(n) &^ 3
	for r, f := range factor {
		to, from := y[r*int(n):][:n], x[r*int(n):][:n]
		if whole > 0 {
			scaleNEON(&to[0], &from[0], f, less, times, uintptr(whole))
		}
		for i, v := range from[whole:] {
			to[whole+i] = times * (float32(v*f) - less)
		}
	}
}
