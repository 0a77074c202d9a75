package codes

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/goqat/goqat/quant"
)

func checkLSQ(t *testing.T, rule quant.Rule, x, dy, scale []float32, zero []int32, lo, hi int32, l quant.Layout) {
	n := len(x)
	want, got := mirror(n, float32(77)), mirror(n, float32(77))
	sums, have := make([]float64, l.Channels), make([]float64, l.Channels)
	nan := quant.LSQGrad(rule, want[32:32+n], dy, x, scale, zero, lo, hi, sums, nil, l, 0, n)
	require.Equal(t, nan, LSQGrad(rule, got[32:32+n], dy, x, scale, zero, lo, hi, have, l, 0, n))
	same(t, floats(want), floats(got), "dx of %v [%d, %d] %v", rule, lo, hi, l)
	require.Equal(t, sums, have, "gradients of scales of %v [%d, %d] %v, zero %d", rule, lo, hi, l, zero[0])
	// In place.
	in := append([]float32(nil), dy...)
	clear(have)
	LSQGrad(rule, in, in, x, scale, zero, lo, hi, have, l, 0, n)
	same(t, floats(want[32:32+n]), floats(in), "dx in place of %v %v", rule, l)
	require.Equal(t, sums, have)
}

func TestLSQGrad(t *testing.T) {
	eachISA(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(13, 14))
		layouts := []quant.Layout{{Outer: 1, Channels: 3, Inner: 1000}, {Outer: 2, Channels: 3, Inner: 2100}, {Outer: 5, Channels: 2, Inner: 40},
			{Outer: 1, Channels: 1, Inner: 9999}, {Outer: 3, Channels: 5, Inner: 7}}
		for n := 1; n <= 70; n++ {
			layouts = append(layouts, quant.Layout{Outer: 1, Channels: 1, Inner: n})
		}
		for _, l := range layouts {
			for _, rule := range rules {
				rg := ranges[r.IntN(len(ranges))]
				scale, zero := make([]float32, l.Channels), make([]int32, l.Channels)
				for c := range scale {
					scale[c], zero[c] = []float32{0.1, 0.0235, 3e-39, 1e38}[r.IntN(4)], rg[0]+int32(r.IntN(int(rg[1]-rg[0]+1)))
				}
				n := l.Numel()
				x, dy := reals(r, n+1, 0.1)[1:], make([]float32, n+3)[3:]
				for i := range dy {
					dy[i] = float32(r.NormFloat64())
				}
				checkLSQ(t, rule, x, dy, scale, zero, rg[0], rg[1], l)
			}
		}
	})
}

func FuzzLSQGrad(f *testing.F) {
	f.Add(uint64(1), uint16(100), float32(0.1), int16(3), uint8(0))
	f.Fuzz(func(t *testing.T, seed uint64, n uint16, scale float32, zero int16, rule uint8) {
		r := rand.New(rand.NewPCG(seed, 1))
		size := int(n)%5000 + 1
		dy := make([]float32, size)
		for i := range dy {
			dy[i] = float32(r.NormFloat64())
		}
		if scale != scale {
			return // Which of two NaNs a sum is, is not defined.
		}
		checkLSQ(t, rules[int(rule)%len(rules)], reals(r, size, 0.1), dy, []float32{scale}, []int32{int32(zero)}, -128, 127,
			quant.Layout{Outer: 1, Channels: 1, Inner: size})
	})
}
