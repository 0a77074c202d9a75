package codes

import (
	"bytes"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/goqat/goqat/backend/cpu/internal/isa"
	"github.com/goqat/goqat/quant"
)

// eachISA runs f with every instruction set that the machine has.
func eachISA(t *testing.T, f func(t *testing.T)) {
	t.Cleanup(func() { require.NoError(t, isa.SetMax("")) })
	for _, s := range slices.Backward(width.Sets()) {
		require.NoError(t, isa.SetMax(s.String()))
		t.Run(s.String(), f)
	}
}

var rules = []quant.Rule{quant.ONNX, quant.PyTorch, quant.TFLite, {Reciprocal: true, Rounding: quant.HalfAway},
	{ZeroInside: true}, {ZeroInside: true, Reciprocal: true}, {ZeroInside: true, Rounding: quant.HalfAway}}

var ranges = [][2]int32{{-128, 127}, {0, 255}, {-127, 127}, {-8, 7}, {0, 15}, {-1, 1}, {0, 1}, {5, 5}}

// reals returns n floats, many of them where rounding is delicate: ties of
// scale and their neighbours, the ends of ranges, and what is no number.
func reals(r *rand.Rand, n int, scale float32) []float32 {
	v := make([]float32, n)
	for i := range v {
		switch r.IntN(16) {
		case 0:
			v[i] = math.Float32frombits(r.Uint32())
		case 1:
			v[i] = float32(math.NaN())
		case 2:
			v[i] = float32(math.Inf(1 - 2*r.IntN(2)))
		case 3:
			v[i] = math.Float32frombits(r.Uint32() & 0x800fffff)
		case 4, 5, 6, 7:
			v[i] = (float32(r.IntN(600)-300) + 0.5) * scale
		case 8, 9:
			v[i] = (float32(r.IntN(600)-300) + 0.5) * scale
			v[i] = math.Nextafter32(v[i], float32(math.Inf(1-2*r.IntN(2))))
		default:
			v[i] = float32(r.NormFloat64()*100) * scale
		}
	}
	return v
}

func floats(v []float32) []uint32 {
	b := make([]uint32, len(v))
	for i, x := range v {
		b[i] = math.Float32bits(x)
		if x != x {
			b[i] = 0x7fc00000 // Which NaN a sum of two is, is not defined.
		}
	}
	return b
}

// mirror is memory with guards on both sides.
func mirror[T any](n int, fill T) []T { return slices.Repeat([]T{fill}, n+64) }

// same fails at the first difference; it is cheap where there is none.
func same[T comparable](t *testing.T, want, got []T, format string, args ...any) {
	t.Helper()
	for i := range want {
		if want[i] != got[i] {
			require.Equal(t, want[i], got[i], "element %d of %s", i, fmt.Sprintf(format, args...))
		}
	}
}

func checkQuantize[T quant.Code](t *testing.T, rule quant.Rule, x, scale []float32, zero []int32, lo, hi int32, l quant.Layout, masked bool) {
	n := len(x)
	wc, gc, wf, gf := mirror(n, T(77)), mirror(n, T(77)), mirror(n, float32(77)), mirror(n, float32(77))
	wm, gm, fm := mirror(n/8+1, byte(0xa5)), mirror(n/8+1, byte(0xa5)), mirror(n/8+1, byte(0xa5))
	part := func(m []byte) []byte {
		if !masked {
			return nil
		}
		return m[32 : 32+(n+7)/8]
	}
	nan := quant.QuantizeCodes(rule, wc[32:32+n], part(wm), x, scale, zero, lo, hi, l, 0, n)
	fake := quant.FakeQuantize(rule, wf[32:32+n], nil, x, scale, zero, lo, hi, l, 0, n)
	// Two tiles, cut at a byte of the mask.
	cut := n / 2 &^ 7
	got, gotFake := 0, 0
	for _, s := range [][2]int{{0, cut}, {cut, n}} {
		got += Quantize(rule, gc[32:32+n], part(gm), x, scale, zero, lo, hi, l, s[0], s[1])
		gotFake += FakeQuantize(rule, gf[32:32+n], part(fm), x, scale, zero, lo, hi, l, s[0], s[1])
	}
	require.Equal(t, nan, got)
	require.Equal(t, fake, gotFake)
	same(t, wc, gc, "codes of %v [%d, %d] %v %v %v", rule, lo, hi, scale[0], zero[0], l)
	same(t, wm, gm, "mask of %v [%d, %d] %v %v %v", rule, lo, hi, scale[0], zero[0], l)
	same(t, wm, fm, "fake mask of %v [%d, %d] %v %v %v", rule, lo, hi, scale[0], zero[0], l)
	same(t, floats(wf), floats(gf), "fake of %v [%d, %d] %v %v %v", rule, lo, hi, scale[0], zero[0], l)
	for i := range wf {
		wf[i] = 1
	}
	copy(gf, wf)
	quant.DequantizeCodes(wf[32:32+n], wc[32:32+n], scale, zero, l, 0, n)
	DequantizeCodes(gf[32:32+n], gc[32:32+n], scale, zero, l, 0, n)
	same(t, floats(wf), floats(gf), "real numbers of %v %v", scale[0], l)
}

func TestQuantize(t *testing.T) {
	scales := []float32{1, 0.1, 0.0235, 3e-39, 1e-45, 1e38, -0.5, 0, float32(math.Inf(1)), float32(math.NaN())}
	eachISA(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(1, 2))
		for _, rule := range rules {
			for _, b := range ranges {
				for _, s := range scales {
					zero := b[0] + r.Int32N(b[1]-b[0]+1)
					for _, n := range []int{r.IntN(80), 1000 + r.IntN(1000)} {
						x := reals(r, n+3, s)[r.IntN(4):][:n]
						l := quant.Layout{Outer: 1, Channels: 1, Inner: n}
						if b[0] < 0 {
							checkQuantize[int8](t, rule, x, []float32{s}, []int32{zero}, b[0], b[1], l, n&1 == 0)
						} else {
							checkQuantize[uint8](t, rule, x, []float32{s}, []int32{zero}, b[0], b[1], l, n&1 == 0)
						}
					}
				}
			}
		}
	})
}

func TestQuantizeChannels(t *testing.T) {
	eachISA(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(3, 4))
		for range 300 {
			l := quant.Layout{Outer: 1 + r.IntN(3), Channels: 1 + r.IntN(5), Inner: 1 + r.IntN(100)}
			if r.IntN(2) == 0 {
				l.Inner *= 8
			}
			scale, zero := make([]float32, l.Channels), make([]int32, l.Channels)
			for c := range scale {
				scale[c], zero[c] = r.Float32(), r.Int32N(256)-128
			}
			checkQuantize[int8](t, rules[r.IntN(len(rules))], reals(r, l.Numel(), 0.5), scale, zero, -128, 127, l, r.IntN(2) == 0)
		}
	})
}

// TestFakeQuantizeWide has ranges beyond those of codes, of which the vectors
// hold only some.
func TestFakeQuantizeWide(t *testing.T) {
	eachISA(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(5, 6))
		for _, hi := range []int32{1 << 15, 1<<20 - 1, 1 << 20, 1<<21 + 5, math.MaxInt32 - 1} {
			for _, rule := range rules {
				n := 999
				x := reals(r, n, 7000)
				for _, zero := range []int32{0, hi, -hi} {
					want, got := make([]float32, n), make([]float32, n)
					wm, gm := make([]byte, n/8+1), make([]byte, n/8+1)
					l := quant.Layout{Outer: 1, Channels: 1, Inner: n}
					s, z := []float32{1.5}, []int32{zero}
					w := quant.FakeQuantize(rule, want, wm, x, s, z, -hi, hi, l, 0, n)
					require.Equal(t, w, FakeQuantize(rule, got, gm, x, s, z, -hi, hi, l, 0, n))
					same(t, floats(want), floats(got), "fake of %v to %d, zero %d", rule, hi, zero)
					same(t, wm, gm, "mask of %v to %d, zero %d", rule, hi, zero)
				}
			}
		}
	})
}

// TestQuantizeTies tests all float32 next to ties, both ways of rounding.
func TestQuantizeTies(t *testing.T) {
	var x []float32
	for i := range 1200 {
		v := float32(i-600) / 2
		x = append(x, v, math.Nextafter32(v, 1e9), math.Nextafter32(v, -1e9))
	}
	x = append(x, 0.49999997, -0.49999997, float32(math.Copysign(0, -1)), 1e-45, -1e-45, math.MaxFloat32, -math.MaxFloat32)
	l := quant.Layout{Outer: 1, Channels: 1, Inner: len(x)}
	eachISA(t, func(t *testing.T) {
		for _, rule := range rules {
			for zero := int32(-128); zero < 128; zero += 5 {
				checkQuantize[int8](t, rule, x, []float32{1}, []int32{zero}, -128, 127, l, true)
				checkQuantize[uint8](t, rule, x, []float32{1}, []int32{zero + 128}, 0, 255, l, true)
			}
		}
	})
}

func checkRequantize[T quant.Code](t *testing.T, r *rand.Rand, rule quant.Rule, rows, channels int, lo, hi int32, masked bool) {
	n := rows * channels
	acc, add := make([]int32, n), make([]int32, channels)
	for i := range acc {
		acc[i] = int32(r.Uint32()) >> r.IntN(32)
	}
	m := make([]quant.Multiplier, []int{1, channels}[r.IntN(2)])
	for c := range m {
		m[c] = rule.NewMultiplier(r.Float32(), r.Float32(), 10)
		if rule.Requant == quant.RequantFloat {
			switch r.IntN(8) {
			case 0:
				m[c].M = math.Float32frombits(r.Uint32() & 0xff7fffff)
				if m[c].M-m[c].M != 0 {
					m[c].M = math.MaxFloat32
				}
			case 1:
				m[c].M = 0.5 // ties
			case 2:
				m[c].M = []float32{float32(math.Inf(1)), float32(math.NaN()), 1e-45, 0}[r.IntN(4)]
			}
		}
	}
	for c := range add {
		add[c] = int32(r.Uint32()) >> r.IntN(32)
	}
	zero := lo + r.Int32N(hi-lo+1)
	want, got := mirror(n, T(77)), mirror(n, T(77))
	wm, gm := mirror(n/8+1, byte(0xa5)), mirror(n/8+1, byte(0xa5))
	var wb, gb []byte
	if masked {
		wb, gb = wm[32:32+(n+7)/8], gm[32:32+(n+7)/8]
	}
	sums := slices.Clone(acc)
	for i := range sums {
		sums[i] += add[i%channels]
	}
	quant.RequantizeCodes(rule, want[32:32+n], wb, sums, m, zero, lo, hi, channels, 0, n)
	q := NewRequantizer(rule, channels)
	q.Set(add, m, zero, lo, hi)
	Requantize(q, got[32:32+n], gb, acc)
	same(t, want, got, "codes of %v [%d, %d], channels %d", rule, lo, hi, channels)
	same(t, wm, gm, "mask of %v [%d, %d], channels %d", rule, lo, hi, channels)
}

func TestRequantize(t *testing.T) {
	eachISA(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(7, 8))
		for channels := 1; channels < 70; channels++ {
			for _, b := range ranges {
				rule := rules[r.IntN(3)]
				rows := r.IntN(40)
				if b[0] < 0 {
					checkRequantize[int8](t, r, rule, rows, channels, b[0], b[1], r.IntN(2) == 0)
				} else {
					checkRequantize[uint8](t, r, rule, rows, channels, b[0], b[1], r.IntN(2) == 0)
				}
			}
		}
	})
}

func TestSTEGrad(t *testing.T) {
	eachISA(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(9, 10))
		for n := range 200 {
			dy, mask := reals(r, n, 1), make([]byte, (n+7)/8)
			for i := range mask {
				mask[i] = byte(r.Uint32())
			}
			want, got := mirror(n, float32(5)), mirror(n, float32(5))
			from := n / 3 &^ 7
			quant.STEGrad(want[32:32+n], dy, mask, from, n)
			STEGrad(got[32:32+n], dy, mask, from, n)
			same(t, floats(want), floats(got), "gradient of %d", n)
		}
	})
}

// TestColumns compares the loops over channels with their formulas.
func TestColumns(t *testing.T) {
	eachISA(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(11, 12))
		for channels := 1; channels < 70; channels++ {
			n := r.IntN(30) * channels
			x, dy, acc := reals(r, n, 1), reals(r, n, 1), make([]int32, n)
			for i := range acc {
				acc[i] = int32(r.Uint32())
			}
			var col [4][]float32
			for i := range col {
				col[i] = reals(r, channels+Wrap, 1)
				Repeat(col[i], channels)
			}
			add := make([]int32, channels+Wrap)
			for c := range channels {
				add[c] = int32(r.Uint32())
			}
			Repeat(add, channels)
			a, b, m, p := col[0], col[1], col[2], col[3]
			want := [3][]float32{mirror(n, float32(9)), mirror(n, float32(9)), mirror(n, float32(9))}
			got := [3][]float32{mirror(n, float32(9)), mirror(n, float32(9)), mirror(n, float32(9))}
			for i := range x {
				c := i % channels
				want[0][32+i] = float32(x[i]*a[c]) + b[c]
				want[1][32+i] = float32(float32(acc[i]+add[c])*a[c]) + b[c]
				want[2][32+i] = float32(dy[i]*a[c]) + float32((x[i]-m[c])*b[c]) + p[c]
			}
			Affine(got[0][32:32+n], x, a, b, channels)
			DequantizeSums(got[1][32:32+n], acc, add, a, b, channels)
			NormGrad(got[2][32:32+n], dy, x, a, m, b, p, channels)
			for i := range want {
				same(t, floats(want[i]), floats(got[i]), "loop %d, channels %d", i, channels)
			}
		}
	})
	assert.Panics(t, func() { Affine(make([]float32, 2), make([]float32, 2), make([]float32, 2), make([]float32, 18), 2) })
}

func TestExtremes(t *testing.T) {
	eachISA(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(13, 14))
		inf := float32(math.Inf(1))
		for n := range 300 {
			x := reals(r, n, 1)
			if n%2 == 0 {
				for i, v := range x {
					if v != v {
						x[i] = float32(math.Copysign(0, float64(i%2)-0.5))
					}
				}
			}
			lo, hi, bad := inf, -inf, false
			for _, v := range x {
				if v != v {
					bad = true
					continue
				}
				lo, hi = min(lo, v), max(hi, v)
			}
			a, b, nan := Extremes(x, inf, -inf)
			require.Equal(t, bad, nan)
			require.Equal(t, floats([]float32{lo + 0, hi + 0}), floats([]float32{a, b}))
		}
		a, b, _ := Extremes([]float32{float32(math.Copysign(0, -1))}, inf, -inf)
		require.Zero(t, math.Float32bits(a)|math.Float32bits(b))
	})
}

func TestNoAllocation(t *testing.T) {
	x, y, mask, code := make([]float32, 999), make([]float32, 999), make([]byte, 125), make([]int8, 999)
	s, z, l := []float32{1}, []int32{0}, quant.Layout{Outer: 1, Channels: 1, Inner: 999}
	assert.Zero(t, testing.AllocsPerRun(10, func() {
		Quantize(quant.ONNX, code, mask, x, s, z, -128, 127, l, 0, 999)
		FakeQuantize(quant.TFLite, y, mask, x, s, z, -128, 127, l, 0, 999)
		DequantizeCodes(y, code, s, z, l, 0, 999)
		STEGrad(y, x, mask, 0, 999)
		Extremes(x, 0, 0)
	}))
}

func FuzzQuantize(f *testing.F) {
	f.Add([]byte("0123456789abcdef0123456789abcdef"), float32(0.1), int8(3), uint8(0))
	f.Add(bytes.Repeat([]byte{0, 0, 0xc0, 0x7f, 0, 0, 0, 0x3f}, 20), float32(1), int8(-128), uint8(2))
	f.Fuzz(func(t *testing.T, data []byte, scale float32, zero int8, rule uint8) {
		x := make([]float32, len(data)/4)
		for i := range x {
			x[i] = math.Float32frombits(uint32(data[4*i]) | uint32(data[4*i+1])<<8 | uint32(data[4*i+2])<<16 | uint32(data[4*i+3])<<24)
		}
		l := quant.Layout{Outer: 1, Channels: 1, Inner: len(x)}
		checkQuantize[int8](t, rules[int(rule)%len(rules)], x, []float32{scale}, []int32{int32(zero)}, -128, 127, l, true)
	})
}
