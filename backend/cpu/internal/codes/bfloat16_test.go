package codes

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/goqat/goqat/quant"
	"github.com/goqat/goqat/tensor"
)

// bits16 are all bfloat16 as float32, and about each the numbers that lie next
// to it and next to the tie after it.
func bits16() []float32 {
	var x []float32
	for i := range uint32(1 << 16) {
		for _, low := range []uint32{0, 1, 0x7fff, 0x8000, 0x8001, 0xffff} {
			x = append(x, math.Float32frombits(i<<16|low))
		}
	}
	return x
}

func TestNarrowBF16(t *testing.T) {
	eachISA(t, func(t *testing.T) {
		x := bits16()
		want, got := make([]tensor.BFloat16, len(x)), make([]tensor.BFloat16, len(x))
		tensor.NarrowBF16(want, x)
		NarrowBF16(got, x)
		require.Equal(t, want, got)
		// Every length and place; nothing beyond the end is written.
		r := rand.New(rand.NewPCG(1, 1))
		for n := range 71 {
			for at := range 4 {
				from := r.IntN(len(x) - 100)
				dst := make([]tensor.BFloat16, 80)
				for i := range dst {
					dst[i] = 0x5a5a
				}
				NarrowBF16(dst[at:], x[from:from+n])
				for i, v := range dst {
					w := tensor.BFloat16(0x5a5a)
					if i >= at && i < at+n {
						w = tensor.ToBFloat16(x[from+i-at])
					}
					require.Equal(t, w, v, "n=%d at=%d i=%d", n, at, i)
				}
			}
		}
	})
}

func TestWidenBF16(t *testing.T) {
	eachISA(t, func(t *testing.T) {
		x := make([]tensor.BFloat16, 1<<16)
		for i := range x {
			x[i] = tensor.BFloat16(i)
		}
		got := make([]float32, len(x))
		WidenBF16(got, x)
		for i, v := range got {
			require.Equal(t, uint32(i)<<16, math.Float32bits(v))
		}
		for n := range 71 {
			for at := range 4 {
				dst := make([]float32, 80)
				for i := range dst {
					dst[i] = 7
				}
				WidenBF16(dst[at:], x[1000+at:1000+at+n])
				for i, v := range dst {
					w := float32(7)
					if i >= at && i < at+n {
						w = x[1000+i].Float32()
					}
					require.Equal(t, w, v, "n=%d at=%d i=%d", n, at, i)
				}
			}
		}
	})
}

// TestPartOfATensor: loops over a part of a tensor, whose layout skips what
// lies before, give the bits of loops over the whole.
func TestPartOfATensor(t *testing.T) {
	eachISA(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(2, 2))
		for _, l := range []quant.Layout{
			{Outer: 1, Channels: 1, Inner: 13000}, {Outer: 40, Channels: 5, Inner: 65}, {Outer: 13, Channels: 10, Inner: 96},
			{Outer: 2000, Channels: 6, Inner: 1}, {Outer: 1, Channels: 200, Inner: 64}, {Outer: 3, Channels: 700, Inner: 5},
		} {
			n := l.Numel()
			x, dy := make([]float32, n), make([]float32, n)
			for i := range x {
				x[i], dy[i] = float32(r.NormFloat64()*40), float32(r.NormFloat64())
			}
			scale, zero := make([]float32, l.Channels), make([]int32, l.Channels)
			for c := range scale {
				scale[c], zero[c] = 0.1+r.Float32(), int32(r.IntN(20)-10)
			}
			rule := quant.Rule{}
			codes, mask := make([]int8, n), make([]byte, (n+7)/8)
			fake, dx, ds := make([]float32, n), make([]float32, n), make([]float64, l.Channels)
			quant.QuantizeCodes(rule, codes, mask, x, scale, zero, -128, 127, l, 0, n)
			quant.FakeQuantize(rule, fake, nil, x, scale, zero, -128, 127, l, 0, n)
			quant.LSQGrad(rule, dx, dy, x, scale, zero, -128, 127, ds, nil, l, 0, n)
			gc, gm := make([]int8, n), make([]byte, (n+7)/8)
			gf, gx, gs, ps := make([]float32, n), make([]float32, n), make([]float64, l.Channels), make([]float64, l.Channels)
			px := make([]float32, n)
			for lo := 0; lo < n; lo += quant.LSQBlock {
				hi := min(lo+quant.LSQBlock, n)
				k, p := hi-lo, l.From(lo)
				Quantize(rule, gc[lo:hi], gm[lo>>3:(hi+7)>>3], x[lo:hi], scale, zero, -128, 127, p, 0, k)
				FakeQuantize(rule, gf[lo:hi], nil, x[lo:hi], scale, zero, -128, 127, p, 0, k)
				LSQGrad(rule, gx[lo:hi], dy[lo:hi], x[lo:hi], scale, zero, -128, 127, gs, p, 0, k)
				quant.LSQGrad(rule, px[lo:hi], dy[lo:hi], x[lo:hi], scale, zero, -128, 127, ps, nil, p, 0, k)
			}
			require.Equal(t, codes, gc, "%+v", l)
			require.Equal(t, mask, gm, "%+v", l)
			require.Equal(t, fake, gf, "%+v", l)
			require.Equal(t, dx, gx, "%+v", l)
			require.Equal(t, ds, gs, "%+v", l)
			require.Equal(t, dx, px, "%+v", l)
			require.Equal(t, ds, ps, "%+v", l)
		}
	})
}

func FuzzNarrowBF16(f *testing.F) {
	f.Add(uint32(0x3f808000), 17)
	f.Fuzz(func(t *testing.T, bits uint32, n int) {
		n = min(max(n, 0), 100)
		x := make([]float32, n)
		for i := range x {
			x[i] = math.Float32frombits(bits + uint32(i)*0x8001)
		}
		got, back := make([]tensor.BFloat16, n), make([]float32, n)
		NarrowBF16(got, x)
		WidenBF16(back, got)
		for i, v := range x {
			w := tensor.ToBFloat16(v)
			require.Equal(t, w, got[i])
			require.Equal(t, math.Float32bits(w.Float32()), math.Float32bits(back[i]))
		}
	})
}
