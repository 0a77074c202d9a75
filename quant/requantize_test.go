package quant_test

import (
	"encoding/json"
	"math"
	"math/big"
	"math/rand/v2"
	"os"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/goqat/goqat/quant"
)

// q31Model is the fixed-point product in integers of any size: Q31 rounding
// half up or, in two steps, as gemmlowp defines them.
func q31Model(single bool, acc, q int32, shift int) *big.Int {
	pow := func(n int) *big.Int { return new(big.Int).Lsh(big.NewInt(1), uint(n)) }
	// halfUp returns floor((x + 2^(n-1)) / 2^n); Div is Euclidean, which is
	// floor for a positive divisor.
	halfUp := func(x *big.Int, n int) *big.Int {
		x = new(big.Int).Add(x, pow(n-1))
		return x.Div(x, pow(n))
	}
	saturate := func(x *big.Int) *big.Int {
		if x.Cmp(big.NewInt(math.MaxInt32)) > 0 {
			return big.NewInt(math.MaxInt32)
		}
		if x.Cmp(big.NewInt(math.MinInt32)) < 0 {
			return big.NewInt(math.MinInt32)
		}
		return x
	}
	x := big.NewInt(int64(acc))
	if single {
		return halfUp(x.Mul(x, big.NewInt(int64(q))), 31-shift)
	}
	if shift > 0 {
		x = saturate(x.Mul(x, pow(shift)))
	}
	ab := new(big.Int).Mul(x, big.NewInt(int64(q)))
	nudge := pow(30)
	if ab.Sign() < 0 {
		nudge = new(big.Int).Sub(big.NewInt(1), pow(30))
	}
	high := saturate(new(big.Int).Quo(ab.Add(ab, nudge), pow(31)))
	if shift >= 0 {
		return high
	}
	// Half away from zero: half up of the magnitude.
	out := halfUp(new(big.Int).Abs(high), -shift)
	if high.Sign() < 0 {
		out.Neg(out)
	}
	return out
}

func requireQ31(t *testing.T, r quant.Rule, acc, q int32, shift int, zero, lo, hi int32) {
	t.Helper()
	v := q31Model(r.Requant == quant.RequantQ31Single, acc, q, shift)
	v.Add(v, big.NewInt(int64(zero)))
	want, in := v, true
	if v.Cmp(big.NewInt(int64(lo))) < 0 {
		want, in = big.NewInt(int64(lo)), false
	} else if v.Cmp(big.NewInt(int64(hi))) > 0 {
		want, in = big.NewInt(int64(hi)), false
	}
	code, gotIn := r.Requantize(acc, quant.Multiplier{Q: q, Shift: shift}, zero, lo, hi)
	require.Equal(t, want.Int64(), int64(code), "%v acc %d q %d shift %d", r, acc, q, shift)
	require.Equal(t, in, gotIn, "%v acc %d q %d shift %d", r, acc, q, shift)
}

func TestQ31MatchesModel(t *testing.T) {
	rng := rand.New(rand.NewPCG(13, 14))
	edges := []int32{0, 1, -1, 2, -2, math.MaxInt32, math.MinInt32, math.MaxInt32 - 1, math.MinInt32 + 1, 1 << 30, -1 << 30}
	for _, r := range []quant.Rule{quant.TFLite, quant.TFLiteSingle} {
		for shift := -31; shift <= 30; shift++ {
			for _, q := range []int32{1 << 30, 1<<30 + 1, math.MaxInt32, 0, 1<<30 + rng.Int32N(1<<30), -1 << 30, -math.MaxInt32} {
				for _, acc := range edges {
					requireQ31(t, r, acc, q, shift, 0, math.MinInt32, math.MaxInt32)
				}
				for range 40 {
					acc := int32(rng.Uint32()) >> rng.IntN(31)
					requireQ31(t, r, acc, q, shift, rng.Int32N(256)-128, -128, 127)
				}
			}
		}
	}
}

func FuzzRequantize(f *testing.F) {
	f.Add(int32(49986), int32(1274746293), -4, int32(0), int32(-128), int32(127))
	f.Add(int32(math.MinInt32), int32(math.MaxInt32), 30, int32(127), int32(-128), int32(127))
	f.Fuzz(func(t *testing.T, acc, q int32, shift int, zero, lo, hi int32) {
		if shift < -31 || shift > 30 || lo > hi || q == math.MinInt32 {
			return
		}
		requireQ31(t, quant.TFLite, acc, q, shift, zero, lo, hi)
		requireQ31(t, quant.TFLiteSingle, acc, q, shift, zero, lo, hi)
	})
}

func TestQuantizeMultiplier(t *testing.T) {
	for _, c := range []struct {
		real  float64
		q     int32
		shift int
	}{
		{0.0371, 1274746293, -4},
		{1, 1 << 30, 1}, {0.5, 1 << 30, 0}, {0.25, 1 << 30, -1},
		{1 - 0x1p-40, 1 << 30, 1}, // rounds to 2^31, halved
		{0x1p-32, 1 << 30, -31}, {0x1p-33, 0, 0}, {0, 0, 0},
		{0x1p29, 1 << 30, 30}, {0x1p30, math.MaxInt32, 30}, {math.Inf(1), math.MaxInt32, 30},
		{-0.5, -1 << 30, 0}, {-(1 - 0x1p-40), -1 << 30, 1}, {-0x1p40, -math.MaxInt32, 30},
		{math.NaN(), 0, 0},
	} {
		q, shift := quant.QuantizeMultiplier(c.real)
		assert.Equal(t, c.q, q, c.real)
		assert.Equal(t, c.shift, shift, c.real)
	}
	rng := rand.New(rand.NewPCG(15, 16))
	for range 2000 {
		real := math.Exp(rng.Float64()*30 - 20)
		q, shift := quant.QuantizeMultiplier(real)
		require.InEpsilon(t, real, quant.Multiplier{Q: q, Shift: shift}.Real(), 0x1p-31)
	}
	assert.Equal(t, 0.5, quant.Multiplier{M: 0.5}.Real())
}

// TestSingleAgainstDouble counts how often the two fixed-point roundings
// differ over [-50000, 50000] with the multiplier 0.0371.
func TestSingleAgainstDouble(t *testing.T) {
	q, shift := quant.QuantizeMultiplier(0.0371)
	m := quant.Multiplier{Q: q, Shift: shift}
	differ := 0
	for acc := int32(-50000); acc <= 50000; acc++ {
		d, _ := quant.TFLite.Requantize(acc, m, 0, -32768, 32767)
		s, _ := quant.TFLiteSingle.Requantize(acc, m, 0, -32768, 32767)
		if d != s {
			differ++
		}
	}
	assert.Equal(t, 3130, differ)
}

func TestRequantizeFloat(t *testing.T) {
	m := quant.ONNX.NewMultiplier(0.5, 0.25, 0.25)
	assert.Equal(t, quant.Multiplier{M: 0.5}, m)
	for _, c := range []struct {
		acc, code int32
		in        bool
	}{
		{1, 10, true}, {3, 12, true}, {-1, 10, true}, {-3, 8, true}, // ties to even, then the zero point
		{234, 127, true}, {236, 127, false}, {-276, -128, true}, {-278, -128, false},
		{math.MaxInt32, 127, false}, {math.MinInt32, -128, false},
	} {
		code, in := quant.ONNX.Requantize(c.acc, m, 10, -128, 127)
		assert.Equal(t, c.code, code, c.acc)
		assert.Equal(t, c.in, in, c.acc)
	}
	huge := quant.Multiplier{M: math.MaxFloat32}
	for acc, want := range map[int32]int32{1: 127, -1: -128, math.MaxInt32: 127, math.MinInt32: -128, 0: 10} {
		code, _ := quant.ONNX.Requantize(acc, huge, 10, -128, 127)
		assert.Equal(t, want, code)
	}
	// The order of the factors is fixed: (sx*sw)/sy, each step a float32.
	sx, sw, sy := float32(0.1), float32(0.3), float32(0.7)
	assert.Equal(t, float32(float32(sx*sw)/sy), quant.ONNX.NewMultiplier(sx, sw, sy).M)
}

func TestRequantizeCodes(t *testing.T) {
	rng := rand.New(rand.NewPCG(17, 18))
	away := quant.Rule{Name: "float away", Rounding: quant.HalfAway}
	for _, r := range append([]quant.Rule{away}, allRules...) {
		for _, channels := range []int{1, 3, 64, 700} {
			rows := 2500/channels + 3
			n := rows * channels
			acc := make([]int32, n)
			for i := range acc {
				acc[i] = int32(rng.Uint32()) >> rng.IntN(32)
			}
			for _, one := range []bool{true, false} {
				var m []quant.Multiplier
				for range channels {
					// Powers of two make ties common.
					m = append(m, r.NewMultiplier(float32(math.Ldexp(1, -rng.IntN(12))), 0.5+rng.Float32()/2*float32(rng.IntN(2)), 1+rng.Float32()*float32(rng.IntN(2))))
				}
				if one {
					m = m[:1]
				}
				const zero, lo, hi = 5, -128, 100
				codes, mask := make([]int8, n), make([]byte, (n+7)/8)
				quant.RequantizeCodes(r, codes, mask, acc, m, zero, lo, hi, channels, 0, n)
				for i, a := range acc {
					code, in := r.Requantize(a, m[i%channels%len(m)], zero, lo, hi)
					require.Equal(t, code, int32(codes[i]), "%v acc %d", r, a)
					require.Equal(t, in, bit(mask, i), "%v acc %d", r, a)
				}
				tiled, tmask := make([]int8, n), make([]byte, (n+7)/8)
				for from := 0; from < n; from += 104 {
					quant.RequantizeCodes(r, tiled, tmask, acc, m, zero, lo, hi, channels, from, min(from+104, n))
				}
				require.Equal(t, codes, tiled)
				require.Equal(t, mask, tmask)
				quant.RequantizeCodes(r, tiled, nil, acc, m, zero, lo, hi, channels, 0, n)
				require.Equal(t, codes, tiled)
			}
		}
	}
}

// TestRequantizeNearFloat keeps every variant within one code of the real
// product.
func TestRequantizeNearFloat(t *testing.T) {
	rng := rand.New(rand.NewPCG(19, 20))
	for _, r := range allRules {
		for range 3000 {
			sx, sw, sy := rng.Float32()/10+1e-4, rng.Float32()/10+1e-4, rng.Float32()+1e-3
			m := r.NewMultiplier(sx, sw, sy)
			acc := int32(rng.Uint32()) >> 12
			code, _ := r.Requantize(acc, m, 0, -1<<20, 1<<20)
			require.InDelta(t, max(min(float64(acc)*float64(sx)*float64(sw)/float64(sy), 1<<20), -1<<20), float64(code), 1)
		}
	}
}

func TestQuantizeBias(t *testing.T) {
	b, err := quant.ONNX.QuantizeBias(0.5, 0.5, 0.25)
	require.NoError(t, err)
	assert.Equal(t, int32(4), b)
	b, _ = quant.ONNX.QuantizeBias(2.5, 1, 1)
	assert.Equal(t, int32(2), b)
	b, _ = quant.TFLite.QuantizeBias(-2.5, 1, 1)
	assert.Equal(t, int32(-3), b)
	b, err = quant.ONNX.QuantizeBias(math.MaxInt32, 1, 1)
	require.NoError(t, err)
	assert.Equal(t, int32(math.MaxInt32), b)
	_, err = quant.ONNX.QuantizeBias(math.MaxInt32+1, 1, 1)
	assert.ErrorIs(t, err, quant.ErrRange)
	_, err = quant.ONNX.QuantizeBias(1, leastNorm, leastNorm)
	assert.ErrorIs(t, err, quant.ErrRange)
	_, err = quant.ONNX.QuantizeBias(math.NaN(), 1, 1)
	assert.ErrorIs(t, err, quant.ErrNaN)
	_, err = quant.ONNX.QuantizeBias(0, 0, 1)
	assert.ErrorIs(t, err, quant.ErrNaN)
}

func TestMaxK(t *testing.T) {
	assert.Equal(t, math.MaxInt32/(128*127), quant.MaxK(-128, 127, -127, 127))
	assert.Equal(t, math.MaxInt32/(128*128), quant.MaxK(-128, 127, -128, 127))
	assert.Equal(t, math.MaxInt32/(255*127), quant.MaxK(0, 255, -127, 127))
	assert.Equal(t, -math.MinInt32/128, quant.MaxK(0, 1, -128, 0))
	assert.Equal(t, math.MaxInt32, quant.MaxK(0, 0, -128, 127))
	assert.Equal(t, 0, quant.MaxK(math.MinInt32, 0, math.MinInt32, 0))
	for _, c := range [][4]int32{{-128, 127, -127, 127}, {0, 255, -127, 127}, {-255, 255, -8, 7}, {-1, 0, -1, 0}, {0, 15, -128, -3}} {
		k := int64(quant.MaxK(c[0], c[1], c[2], c[3]))
		worst := func(k int64) (lo, hi int64) {
			for _, x := range c[:2] {
				for _, w := range c[2:] {
					lo, hi = min(lo, k*int64(x)*int64(w)), max(hi, k*int64(x)*int64(w))
				}
			}
			return lo, hi
		}
		lo, hi := worst(k)
		assert.True(t, lo >= math.MinInt32 && hi <= math.MaxInt32, c)
		lo, hi = worst(k + 1)
		assert.True(t, lo < math.MinInt32 || hi > math.MaxInt32 || k == math.MaxInt32, c)
	}
}

// tfliteData is testdata/tflite_int8.json.
type tfliteData struct {
	Add, Mul struct {
		Mult, Zero, A, B, Out []int32
		Shift                 []int
	}
	Requantize []struct {
		Name           string
		Mult, Acc, Out []int32
		Shift          []int
		Zero, Lo, Hi   int32
	}
	AvgPool struct{ Sum, Count, Out []int32 }
}

func readTFLite(t *testing.T) tfliteData {
	b, err := os.ReadFile("testdata/tflite_int8.json")
	require.NoError(t, err)
	var d tfliteData
	require.NoError(t, json.Unmarshal(b, &d))
	return d
}

func codes8(v []int32) []int8 {
	out := make([]int8, len(v))
	for i := range v {
		out[i] = int8(v[i])
	}
	return out
}

// TestTFLiteRequantize replays accumulators of TFLite's convolution and
// fully connected kernels, per tensor and per channel.
func TestTFLiteRequantize(t *testing.T) {
	d := readTFLite(t)
	require.NotEmpty(t, d.Requantize)
	for _, c := range d.Requantize {
		m := make([]quant.Multiplier, len(c.Mult))
		for i := range m {
			m[i] = quant.Multiplier{Q: c.Mult[i], Shift: c.Shift[i]}
		}
		got := make([]int8, len(c.Acc))
		quant.RequantizeCodes(quant.TFLite, got, nil, c.Acc, m, c.Zero, c.Lo, c.Hi, len(m), 0, len(got))
		assert.Equal(t, codes8(c.Out), got, c.Name)
	}
}
