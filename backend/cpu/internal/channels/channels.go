// Package channels has the inner loops over the channels of a pixel, which
// are contiguous in memory. Every loop gives the same bits on every
// instruction set: products are rounded before they are added.
package channels

import "math"

// Loops are the loops on one float type. Slices of one call have the length
// of the first unless said otherwise.
type Loops[T float32 | float64] struct {
	// Add is dst += src.
	Add func(dst, src []T)
	// MulAdd is y += x * w, elementwise.
	MulAdd func(y, x, w []T)
	// SumTaps adds x[xs[t]+i] * w[ws[t]+i] to y[i] for every tap t in
	// order. xs and ws are as long as each other.
	SumTaps func(y, x, w []T, xs, ws []int)
	// Larger takes the elements of x that are larger than best, or not a
	// number, and sets where, which may be nil, to position there.
	Larger func(best []T, where []int32, x []T, position int32)
}

// Portable returns the loops in Go, which define the others.
func Portable[T float32 | float64]() Loops[T] {
	return Loops[T]{Add: addLoop[T], MulAdd: mulAddLoop[T], SumTaps: sumTapsLoop[T], Larger: largerLoop[T]}
}

// For returns the best loops of the machine.
func For[T float32 | float64]() Loops[T] {
	l := Portable[T]()
	if f, ok := any(&l).(*Loops[float32]); ok {
		machine(f)
	}
	return l
}

func addLoop[T float32 | float64](dst, src []T) {
	src = src[:len(dst)]
	for i, v := range src {
		dst[i] += v
	}
}

func mulAddLoop[T float32 | float64](y, x, w []T) {
	x, w = x[:len(y)], w[:len(y)]
	for i, v := range x {
		y[i] += T(v * w[i])
	}
}

func sumTapsLoop[T float32 | float64](y, x, w []T, xs, ws []int) {
	ws = ws[:len(xs)]
	j := 0
	for ; j+4 <= len(y); j += 4 {
		v := y[j : j+4 : j+4]
		s0, s1, s2, s3 := v[0], v[1], v[2], v[3]
		for i, o := range xs {
			a, b := x[o+j:o+j+4:o+j+4], w[ws[i]+j:ws[i]+j+4:ws[i]+j+4]
			s0 += T(a[0] * b[0])
			s1 += T(a[1] * b[1])
			s2 += T(a[2] * b[2])
			s3 += T(a[3] * b[3])
		}
		v[0], v[1], v[2], v[3] = s0, s1, s2, s3
	}
	for ; j < len(y); j++ {
		s := y[j]
		for i, o := range xs {
			s += T(x[o+j] * w[ws[i]+j])
		}
		y[j] = s
	}
}

func largerLoop[T float32 | float64](best []T, where []int32, x []T, position int32) {
	x = x[:len(best)]
	if where == nil {
		for i, v := range x {
			if v > best[i] || v != v {
				best[i] = v
			}
		}
		return
	}
	where = where[:len(best)]
	for i, v := range x {
		if v > best[i] || v != v {
			best[i] = v
			where[i] = position
		}
	}
}

// LargerInt8 is [Loops].Larger for signed codes.
func LargerInt8(best []int8, where []int32, x []int8, position int32) {
	n := largerInt8(best, where, x[:len(best)], position)
	largerCodesLoop(best, where, x, position, n)
}

// LargerUint8 is [Loops].Larger for unsigned codes.
func LargerUint8(best []uint8, where []int32, x []uint8, position int32) {
	n := largerUint8(best, where, x[:len(best)], position)
	largerCodesLoop(best, where, x, position, n)
}

// largerCodesLoop takes the larger codes from element n on. Which one wins is
// unpredictable, so the choices are written such that they become conditional
// moves: of 32-bit integers, one at a time.
func largerCodesLoop[T int8 | uint8](best []T, where []int32, x []T, position int32, n int) {
	for i := n; i < len(best); i++ {
		b, v := int32(best[i]), int32(x[i])
		if where != nil {
			p := where[i]
			if v > b {
				p = position
			}
			where[i] = p
		}
		if v > b {
			b = v
		}
		best[i] = T(b)
	}
}

// reach panics unless the n elements of a slice of length l lie at every
// offset: the bounds check that assembly lacks.
func reach(l, n int, offsets []int) {
	hi := 0
	for _, o := range offsets {
		if o < 0 {
			hi = math.MaxInt
			break
		}
		hi = max(hi, o)
	}
	if hi > l-n {
		panic("channels: a tap lies outside its tensor")
	}
}
