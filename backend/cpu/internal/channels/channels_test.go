package channels

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
)

// values returns n floats and a few more, to notice writes beyond the end.
func values(r *rand.Rand, n int) []float32 {
	v := make([]float32, n+8)
	for i := range v {
		v[i] = float32(r.NormFloat64())
		switch r.IntN(20) {
		case 0:
			v[i] = float32(math.NaN())
		case 1:
			v[i] = math.Float32frombits(0xffc00000)
		case 2:
			v[i] = float32(math.Inf(1 - 2*r.IntN(2)))
		case 3, 4, 5:
			v[i] = 1
		}
	}
	return v
}

func bits(v []float32) []uint32 {
	b := make([]uint32, len(v))
	for i, x := range v {
		b[i] = math.Float32bits(x)
		if x != x {
			b[i] = 0x7fc00000 // Which NaN a sum of two is, is not defined.
		}
	}
	return b
}

// TestSameBitsAsPortable compares the loops of the machine with those in Go
// for every length around the vectors'.
func TestSameBitsAsPortable(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	got, want := For[float32](), Portable[float32]()
	for n := range 140 {
		x, w, y := values(r, 4*n+40), values(r, 4*n+40), values(r, n)
		xs, ws := make([]int, n%11), make([]int, n%11)
		for i := range xs {
			xs[i], ws[i] = r.IntN(3*n+40), r.IntN(3*n+40)
		}
		where := make([]int32, n+8)
		for i := range where {
			where[i] = int32(i)
		}
		run := func(l Loops[float32], f func(l Loops[float32], y []float32, where []int32)) ([]uint32, []int32) {
			y, p := append([]float32(nil), y...), append([]int32(nil), where...)
			f(l, y[:n], p[:n])
			return bits(y), p
		}
		for name, f := range map[string]func(l Loops[float32], y []float32, where []int32){
			"add":     func(l Loops[float32], y []float32, _ []int32) { l.Add(y, x) },
			"mul add": func(l Loops[float32], y []float32, _ []int32) { l.MulAdd(y, x, w) },
			"taps":    func(l Loops[float32], y []float32, _ []int32) { l.SumTaps(y, x, w, xs, ws) },
			"larger":  func(l Loops[float32], y []float32, _ []int32) { l.Larger(y, nil, x, 7) },
			"at":      func(l Loops[float32], y []float32, p []int32) { l.Larger(y, p, x, 7) },
		} {
			gy, gp := run(got, f)
			wy, wp := run(want, f)
			assert.Equal(t, wy, gy, "%s of %d", name, n)
			assert.Equal(t, wp, gp, "%s of %d", name, n)
		}
	}
}

func TestLargerCodes(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for n := range 70 {
		for _, at := range []bool{false, true} {
			x, best := make([]uint8, n+8), make([]uint8, n+8)
			sx, sbest := make([]int8, n+8), make([]int8, n+8)
			where, swhere := make([]int32, n+8), make([]int32, n+8)
			for i := range x {
				x[i], best[i] = uint8(r.Uint32()), uint8(r.Uint32())
				if r.IntN(4) == 0 {
					x[i] = best[i]
				}
				sx[i], sbest[i] = int8(x[i]), int8(best[i])
			}
			old, sold := append([]uint8(nil), best...), append([]int8(nil), sbest...)
			if at {
				LargerUint8(best[:n], where[:n], x, 5)
				LargerInt8(sbest[:n], swhere[:n], sx, 5)
			} else {
				LargerUint8(best[:n], nil, x, 5)
				LargerInt8(sbest[:n], nil, sx, 5)
			}
			for i := range best {
				u, s := old[i], sold[i]
				var pu, ps int32
				if i < n && x[i] > u {
					u, pu = x[i], 5
				}
				if i < n && sx[i] > s {
					s, ps = sx[i], 5
				}
				if !at {
					pu, ps = 0, 0
				}
				assert.Equal(t, [2]int32{int32(u), pu}, [2]int32{int32(best[i]), where[i]}, "element %d of %d", i, n)
				assert.Equal(t, [2]int32{int32(s), ps}, [2]int32{int32(sbest[i]), swhere[i]}, "element %d of %d", i, n)
			}
		}
	}
}

// TestTapsAreChecked: an offset beyond the tensor panics on every machine.
func TestTapsAreChecked(t *testing.T) {
	l := For[float32]()
	y, x := make([]float32, 8), make([]float32, 20)
	assert.Panics(t, func() { l.SumTaps(y, x, x, []int{13}, []int{0}) })
	assert.Panics(t, func() { l.SumTaps(y, x, x, []int{0}, []int{-1}) })
	assert.NotPanics(t, func() { l.SumTaps(y, x, x, []int{12}, []int{12}) })
}
