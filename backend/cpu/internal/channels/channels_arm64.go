//go:build arm64 && !purego

package channels

import (
	"unsafe"

	"github.com/goqat/goqat/backend/cpu/internal/isa"
)

func init() { vector.Add(isa.NEON, true) }

// neon reports whether the loops in assembly are in use.
func neon() bool { return vector.Kernel() }

// Of the functions in assembly n is at least the multiple that it is to be.

// addNEON adds n elements of src to dst; n is a multiple of 8.
//
//go:noescape
func addNEON(dst *float32, src *float32, n uintptr)

// mulAddNEON adds x*w to y, each product rounded; n is a multiple of 8.
//
//go:noescape
func mulAddNEON(y *float32, x *float32, w *float32, n uintptr)

// sumTapsNEON adds the products x[xs[t]+i] * w[ws[t]+i] of all taps, in
// order and each rounded, to y[i]; n is a multiple of 8.
//
//go:noescape
func sumTapsNEON(y *float32, x *float32, w *float32, xs *int, ws *int, taps uintptr, n uintptr)

// largerNEON takes the elements of x that are larger than best or not a
// number; n is a multiple of 8.
//
//go:noescape
func largerNEON(best *float32, x *float32, n uintptr)

// largerAtNEON is largerNEON and sets where, where x is taken, to position.
//
//go:noescape
func largerAtNEON(best *float32, where *int32, x *float32, n uintptr, position int32)

// largerInt8NEON takes the larger codes; n is a multiple of 16.
//
//go:noescape
func largerInt8NEON(best *byte, x *byte, n uintptr)

// largerUint8NEON takes the larger codes; n is a multiple of 16.
//
//go:noescape
func largerUint8NEON(best *byte, x *byte, n uintptr)

// largerInt8AtNEON takes the larger codes and sets where, where x is taken,
// to position; n is a multiple of 8.
//
//go:noescape
func largerInt8AtNEON(best *byte, where *int32, x *byte, n uintptr, position int32)

// largerUint8AtNEON takes the larger codes and sets where, where x is taken,
// to position; n is a multiple of 8.
//
//go:noescape
func largerUint8AtNEON(best *byte, where *int32, x *byte, n uintptr, position int32)

func machine(l *Loops[float32]) {
	if neon() {
		*l = Loops[float32]{Add: addF32, MulAdd: mulAddF32, SumTaps: sumTapsF32, Larger: largerF32}
	}
}

func addF32(dst, src []float32) {
	src = src[:len(dst)]
	n := len(dst) &^ 7
	if n > 0 {
		addNEON(&dst[0], &src[0], uintptr(n))
	}
	if n < len(dst) {
		addLoop(dst[n:], src[n:])
	}
}

func mulAddF32(y, x, w []float32) {
	x, w = x[:len(y)], w[:len(y)]
	n := len(y) &^ 7
	if n > 0 {
		mulAddNEON(&y[0], &x[0], &w[0], uintptr(n))
	}
	if n < len(y) {
		mulAddLoop(y[n:], x[n:], w[n:])
	}
}

func sumTapsF32(y, x, w []float32, xs, ws []int) {
	if len(xs) == 0 {
		return
	}
	ws = ws[:len(xs)]
	n := len(y) &^ 7
	if n > 0 {
		reach(len(x), n, xs)
		reach(len(w), n, ws)
		sumTapsNEON(&y[0], &x[0], &w[0], &xs[0], &ws[0], uintptr(len(xs)), uintptr(n))
	}
	if n < len(y) {
		sumTapsLoop(y[n:], x[n:], w[n:], xs, ws)
	}
}

func largerF32(best []float32, where []int32, x []float32, position int32) {
	x = x[:len(best)]
	n := len(best) &^ 7
	if where == nil {
		if n > 0 {
			largerNEON(&best[0], &x[0], uintptr(n))
		}
		largerLoop(best[n:], nil, x[n:], position)
		return
	}
	where = where[:len(best)]
	if n > 0 {
		largerAtNEON(&best[0], &where[0], &x[0], uintptr(n), position)
	}
	if n < len(best) {
		largerLoop(best[n:], where[n:], x[n:], position)
	}
}

// largerInt8 and largerUint8 do as many elements as they can and return their
// number.
func largerInt8(best []int8, where []int32, x []int8, position int32) int {
	if !neon() {
		return 0
	}
	if where == nil {
		n := len(best) &^ 15
		if n > 0 {
			largerInt8NEON((*byte)(unsafe.Pointer(&best[0])), (*byte)(unsafe.Pointer(&x[0])), uintptr(n))
		}
		return n
	}
	where = where[:len(best)]
	n := len(best) &^ 7
	if n > 0 {
		largerInt8AtNEON((*byte)(unsafe.Pointer(&best[0])), &where[0], (*byte)(unsafe.Pointer(&x[0])), uintptr(n), position)
	}
	return n
}

func largerUint8(best []uint8, where []int32, x []uint8, position int32) int {
	if !neon() {
		return 0
	}
	if where == nil {
		n := len(best) &^ 15
		if n > 0 {
			largerUint8NEON(&best[0], &x[0], uintptr(n))
		}
		return n
	}
	where = where[:len(best)]
	n := len(best) &^ 7
	if n > 0 {
		largerUint8AtNEON(&best[0], &where[0], &x[0], uintptr(n), position)
	}
	return n
}
