//go:build amd64 && !purego

package channels

import (
	"unsafe"

	"github.com/goqat/goqat/backend/cpu/internal/isa"
)

//go:generate go -C ../../../../internal/asmgen run ./channels -out ../../backend/cpu/internal/channels/channels_avx2_amd64.s -stubs ../../backend/cpu/internal/channels/channels_avx2_amd64.go -pkg channels

func init() { vector.Add(isa.AVX2, true) }

// avx2 reports whether the loops in assembly are in use.
func avx2() bool { return vector.Kernel() }

func machine(l *Loops[float32]) {
	if avx2() {
		*l = Loops[float32]{Add: addF32, MulAdd: mulAddF32, SumTaps: sumTapsF32, Larger: largerF32}
	}
}

func addF32(dst, src []float32) {
	src = src[:len(dst)]
	n := len(dst) &^ 7
	if n > 0 {
		addAVX2(&dst[0], &src[0], uintptr(n))
	}
	if n < len(dst) {
		addLoop(dst[n:], src[n:])
	}
}

func mulAddF32(y, x, w []float32) {
	x, w = x[:len(y)], w[:len(y)]
	n := len(y) &^ 7
	if n > 0 {
		mulAddAVX2(&y[0], &x[0], &w[0], uintptr(n))
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
		sumTapsAVX2(&y[0], &x[0], &w[0], &xs[0], &ws[0], uintptr(len(xs)), uintptr(n))
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
			largerAVX2(&best[0], &x[0], uintptr(n))
		}
		largerLoop(best[n:], nil, x[n:], position)
		return
	}
	where = where[:len(best)]
	if n > 0 {
		largerAtAVX2(&best[0], &where[0], &x[0], uintptr(n), position)
	}
	if n < len(best) {
		largerLoop(best[n:], where[n:], x[n:], position)
	}
}

// largerInt8 and largerUint8 do as many elements as they can and return their
// number.
func largerInt8(best []int8, where []int32, x []int8, position int32) int {
	if !avx2() {
		return 0
	}
	if where == nil {
		n := len(best) &^ 15
		if n > 0 {
			largerInt8AVX2((*byte)(unsafe.Pointer(&best[0])), (*byte)(unsafe.Pointer(&x[0])), uintptr(n))
		}
		return n
	}
	where = where[:len(best)]
	n := len(best) &^ 7
	if n > 0 {
		largerInt8AtAVX2((*byte)(unsafe.Pointer(&best[0])), &where[0], (*byte)(unsafe.Pointer(&x[0])), uintptr(n), position)
	}
	return n
}

func largerUint8(best []uint8, where []int32, x []uint8, position int32) int {
	if !avx2() {
		return 0
	}
	if where == nil {
		n := len(best) &^ 15
		if n > 0 {
			largerUint8AVX2(&best[0], &x[0], uintptr(n))
		}
		return n
	}
	where = where[:len(best)]
	n := len(best) &^ 7
	if n > 0 {
		largerUint8AtAVX2(&best[0], &where[0], &x[0], uintptr(n), position)
	}
	return n
}
