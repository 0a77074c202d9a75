package quant_test

import (
	"bytes"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/goqat/goqat/quant"
	"github.com/goqat/goqat/tensor"
)

// roundRules is every combination of the switches of quantization.
func roundRules() []quant.Rule {
	var out []quant.Rule
	for k := range 8 {
		r := quant.Rule{Name: fmt.Sprint("switches ", k), Reciprocal: k&1 != 0, ZeroInside: k&2 != 0}
		if k&4 != 0 {
			r.Rounding = quant.HalfAway
		}
		out = append(out, r)
	}
	return out
}

func flat(n int) quant.Layout { return quant.Layout{Outer: 1, Channels: 1, Inner: n} }

// values returns n floats with ties, ends of the range, infinities and
// denormals among them.
func values(rng *rand.Rand, n int, scale float32) []float32 {
	special := []float32{
		0, float32(math.Copysign(0, -1)), inf, -inf, maxFloat, -maxFloat, denormal, -denormal, leastNorm,
		0x1p23, -0x1p23, 0x1p24 + 2, 0x1p31, -0x1p31, 0x1p63, 0x1p64, 4194304, 4194303.5, -4194303.5,
	}
	x := make([]float32, n)
	for i := range x {
		switch rng.IntN(4) {
		case 0:
			x[i] = (float32(rng.IntN(540)-270) + 0.5) * scale
		case 1:
			x[i] = special[rng.IntN(len(special))]
		case 2:
			x[i] = math.Nextafter32((float32(rng.IntN(270))+0.5)*scale, float32(rng.IntN(2)*1000))
		default:
			x[i] = float32(rng.NormFloat64()) * 60 * scale
		}
	}
	return x
}

func TestTies(t *testing.T) {
	for _, c := range []struct {
		x          float32
		even, away int32
	}{
		{0.5, 0, 1}, {1.5, 2, 2}, {2.5, 2, 3}, {-0.5, 0, -1}, {-1.5, -2, -2}, {-2.5, -2, -3},
		{0.49999997, 0, 0}, {-0.49999997, 0, 0}, {126.5, 126, 127}, {denormal, 0, 0},
	} {
		for rule, want := range map[quant.Rule]int32{quant.ONNX: c.even, quant.TFLite: c.away} {
			code, in := rule.Quantize(c.x, 1, 0, -128, 127)
			assert.Equal(t, want, code, "%v of %v", rule, c.x)
			assert.True(t, in)
			dst := make([]int8, 1)
			quant.QuantizeCodes(rule, dst, nil, []float32{c.x}, []float32{1}, []int32{0}, -128, 127, flat(1), 0, 1)
			assert.Equal(t, int8(want), dst[0], "%v of %v", rule, c.x)
		}
	}
	// With an odd zero point inside the rounding a tie goes the other way.
	inside := quant.Rule{ZeroInside: true}
	code, _ := inside.Quantize(0.5, 1, 1, 0, 255)
	assert.Equal(t, int32(2), code)
	code, _ = quant.ONNX.Quantize(0.5, 1, 1, 0, 255)
	assert.Equal(t, int32(1), code)
}

// TestMaskIsExactAtTheEnds checks that the mask is taken on the rounded,
// unclamped integer, both ends included.
func TestMaskIsExactAtTheEnds(t *testing.T) {
	for _, c := range []struct {
		x    float32
		code int32
		in   bool
	}{
		{127.49, 127, true}, {127.5, 127, false}, {128, 127, false}, {inf, 127, false}, {maxFloat, 127, false},
		{-128.49, -128, true}, {-128.5, -128, true}, {-128.51, -128, false}, {-inf, -128, false}, {-maxFloat, -128, false},
		{nan32, 0, false},
	} {
		code, in := quant.ONNX.Quantize(c.x, 1, 0, -128, 127)
		assert.Equal(t, c.code, code, c.x)
		assert.Equal(t, c.in, in, c.x)
	}
}

func TestNaNBecomesZero(t *testing.T) {
	x := []float32{1, nan32, -1, nan32, 300}
	scale, zero := []float32{1}, []int32{7}
	for _, r := range roundRules() {
		codes, mask := make([]uint8, 5), []byte{0xff}
		assert.Equal(t, 2, quant.QuantizeCodes(r, codes, mask, x, scale, zero, 0, 255, flat(5), 0, 5))
		assert.Equal(t, []uint8{8, 7, 6, 7, 255}, codes)
		assert.Equal(t, byte(0b00101), mask[0])
		y := make([]float32, 5)
		assert.Equal(t, 2, quant.FakeQuantize(r, y, nil, x, scale, zero, 0, 255, flat(5), 0, 5))
		assert.Equal(t, []float32{1, 0, -1, 0, 248}, y)
	}
	code, in := quant.ONNX.Quantize(nan32, 1, 300, 0, 255)
	assert.Equal(t, int32(255), code)
	assert.False(t, in)
}

// checkSlices compares the slice functions with the scalar reference on every
// element, for codes, mask and fake-quantized values.
func checkSlices[T quant.Code](t *testing.T, r quant.Rule, x, scale []float32, zero []int32, lo, hi int32, l quant.Layout) {
	n := len(x)
	codes, mask := make([]T, n), make([]byte, (n+7)/8)
	y, fmask, back := make([]float32, n), make([]byte, (n+7)/8), make([]float32, n)
	require.Zero(t, quant.QuantizeCodes(r, codes, mask, x, scale, zero, lo, hi, l, 0, n))
	require.Zero(t, quant.FakeQuantize(r, y, fmask, x, scale, zero, lo, hi, l, 0, n))
	quant.DequantizeCodes(back, codes, scale, zero, l, 0, n)
	require.Equal(t, mask, fmask)
	for i, v := range x {
		c := i / l.Inner % l.Channels
		code, in := r.Quantize(v, scale[c], zero[c], lo, hi)
		real := quant.Dequantize(code, zero[c], scale[c])
		if code != int32(codes[i]) || in != bit(mask, i) || real != y[i] || real != back[i] {
			t.Fatalf("%v: x=%v s=%v z=%v: want code %d, %v, %v; have %d, %v, %v, %v", r, v, scale[c], zero[c], code, in, real, codes[i], bit(mask, i), y[i], back[i])
		}
	}
}

func TestSlicesMatchScalar(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	scales := []float32{1, 0.25, 0.1, 3.0 / 127, 0x1p-126, 1e30, 0x1p127}
	for _, r := range roundRules() {
		for _, s := range allSchemes() {
			lo, hi := s.Range()
			l := quant.Layout{Outer: 3, Channels: 5, Inner: 1 + rng.IntN(70)}
			scale, zero := make([]float32, 5), make([]int32, 5)
			for c := range scale {
				scale[c] = scales[rng.IntN(len(scales))]
				zero[c] = lo + rng.Int32N(hi-lo+1)
			}
			x := values(rng, l.Numel(), scale[0])
			if s.Signed {
				checkSlices[int8](t, r, x, scale, zero, lo, hi, l)
			} else {
				checkSlices[uint8](t, r, x, scale, zero, lo, hi, l)
			}
		}
	}
}

// TestFakeQuantizeWide covers ranges too wide for the float32 rounding of the
// narrow loops.
func TestFakeQuantizeWide(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	for _, r := range roundRules() {
		for _, c := range []struct{ lo, hi, zero int32 }{
			{-32768, 32767, -14943}, {0, 65535, 65535}, {-1 << 20, 1<<20 - 1, 12345}, {-1 << 30, 1<<30 - 1, -7},
			{-1 << 22, 1 << 22, 1 << 22}, {math.MinInt32 + 2, math.MaxInt32 - 1, 5},
		} {
			x := values(rng, 600, 0.5)
			for i := range 200 {
				x[i] = (float32(c.lo) + float32(rng.NormFloat64())*4) * 0.5
				x[200+i] = (float32(c.hi) + float32(rng.NormFloat64())*4) * 0.5
			}
			y, mask := make([]float32, len(x)), make([]byte, (len(x)+7)/8)
			quant.FakeQuantize(r, y, mask, x, []float32{0.5}, []int32{c.zero}, c.lo, c.hi, flat(len(x)), 0, len(x))
			for i, v := range x {
				code, in := r.Quantize(v, 0.5, c.zero, c.lo, c.hi)
				require.Equal(t, quant.Dequantize(code, c.zero, 0.5), y[i], "%v %v x=%v", r, c, v)
				require.Equal(t, in, bit(mask, i), "%v %v x=%v", r, c, v)
			}
		}
	}
}

func TestIdempotentAndMonotone(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 8))
	for _, r := range append(roundRules(), allRules...) {
		for _, s := range allSchemes() {
			scale, zero, err := r.ScaleZero(s, -float32(rng.Float64())*10, float32(rng.Float64())*10)
			require.NoError(t, err)
			lo, hi := s.Range()
			for q := lo; q <= hi; q++ {
				code, in := r.Quantize(quant.Dequantize(q, zero, scale), scale, zero, lo, hi)
				require.True(t, in && code == q, "%v %v: code %d became %d", r, s, q, code)
			}
			last, x := lo, quant.Dequantize(lo-3, zero, scale)
			for range 500 {
				x += float32(rng.Float64()) * scale * float32(hi-lo+8) / 250
				code, _ := r.Quantize(x, scale, zero, lo, hi)
				require.GreaterOrEqual(t, code, last)
				last = code
			}
		}
	}
}

// TestTilesDoNotMatter cuts arrays in different places and wants the same
// bytes, with sizes off every multiple.
func TestTilesDoNotMatter(t *testing.T) {
	rng := rand.New(rand.NewPCG(9, 10))
	for _, l := range []quant.Layout{flat(1), flat(2051), {Outer: 7, Channels: 13, Inner: 29}, {Outer: 211, Channels: 11, Inner: 1}, {Outer: 1, Channels: 100, Inner: 16}} {
		n := l.Numel()
		scale, zero := make([]float32, l.Channels), make([]int32, l.Channels)
		for c := range scale {
			scale[c], zero[c] = 0.01+rng.Float32(), rng.Int32N(200)-100
		}
		x := values(rng, n, scale[0])
		x[n/2] = nan32
		dy := values(rng, n, 1)
		for _, r := range allRules {
			type result struct {
				codes []int8
				mask  []byte
				y, g  []float32
				nan   int
			}
			run := func(cuts []int) result {
				o := result{make([]int8, n), bytes.Repeat([]byte{0xff}, (n+7)/8), make([]float32, n), make([]float32, n), 0}
				copy(o.y, x)
				for i := range len(cuts) - 1 {
					a, b := cuts[i], cuts[i+1]
					o.nan += quant.QuantizeCodes(r, o.codes, o.mask, x, scale, zero, -128, 127, l, a, b)
					quant.FakeQuantize(r, o.y, nil, o.y, scale, zero, -128, 127, l, a, b)
					quant.STEGrad(o.g, dy, o.mask, a, b)
				}
				return o
			}
			want := run([]int{0, n})
			require.Equal(t, 1, want.nan)
			for i := range n {
				if bit(want.mask, i) {
					require.Equal(t, dy[i], want.g[i])
				} else {
					require.Zero(t, want.g[i])
				}
			}
			if n%8 != 0 {
				require.Zero(t, want.mask[n/8]>>(n%8), "bits after the last element")
			}
			for _, step := range []int{8, 24, 512, 1000} {
				var cuts []int
				for i := 0; i < n; i += step {
					cuts = append(cuts, i)
				}
				require.Equal(t, want, run(append(cuts, n)))
			}
		}
	}
}

func TestEmpty(t *testing.T) {
	l, err := quant.Int8PerChannel(0).Layout(tensor.Shape{0, 3})
	require.NoError(t, err)
	assert.Zero(t, quant.QuantizeCodes[int8](quant.ONNX, nil, nil, nil, nil, nil, -128, 127, l, 0, 0))
	assert.Zero(t, quant.FakeQuantize(quant.ONNX, nil, nil, nil, nil, nil, -128, 127, l, 0, 0))
	assert.Zero(t, quant.LSQGrad(quant.ONNX, nil, nil, nil, nil, nil, -128, 127, nil, nil, l, 0, 0))
	quant.STEGrad(nil, nil, nil, 0, 0)
	quant.DequantizeCodes[int8](nil, nil, nil, nil, l, 0, 0)
	quant.RequantizeCodes[int8](quant.ONNX, nil, nil, nil, []quant.Multiplier{{}}, 0, -128, 127, 1, 0, 0)
}

func TestNoAllocations(t *testing.T) {
	const n = 3000
	x, y, g := make([]float32, n), make([]float32, n), make([]float32, n)
	codes, mask, acc := make([]int8, n), make([]byte, n/8), make([]int32, n)
	scale, zero, ds, dz := []float32{0.1}, []int32{3}, []float64{0}, []float64{0}
	for _, r := range allRules {
		m := []quant.Multiplier{r.NewMultiplier(0.1, 0.1, 0.2)}
		add, mul := r.NewAdd(0.1, 0, 0.2, 0, 0.3, 0, -128, 127), r.NewMul(0.1, 0, 0.2, 0, 0.3, 0, -128, 127)
		allocs := testing.AllocsPerRun(10, func() {
			quant.QuantizeCodes(r, codes, mask, x, scale, zero, -128, 127, flat(n), 0, n)
			quant.DequantizeCodes(y, codes, scale, zero, flat(n), 0, n)
			quant.FakeQuantize(r, y, mask, x, scale, zero, -128, 127, flat(n), 0, n)
			quant.STEGrad(g, x, mask, 0, n)
			quant.LSQGrad(r, g, x, x, scale, zero, -128, 127, ds, dz, flat(n), 0, n)
			quant.RequantizeCodes(r, codes, mask, acc, m, 0, -128, 127, 10, 0, n)
			quant.AddCodes(&add, codes, mask, codes, codes, 0, n)
			quant.MulCodes(&mul, codes, mask, codes, codes, 0, n)
		})
		assert.Zero(t, allocs, r)
	}
}
