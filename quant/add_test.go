package quant_test

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/goqat/goqat/quant"
)

func TestTFLiteAdd(t *testing.T) {
	d := readTFLite(t).Add
	// The scales of the model: 1, 1 and 2 up to a common factor.
	p := quant.TFLite.NewAdd(1, d.Zero[0], 1, d.Zero[1], 2, d.Zero[2], -128, 127)
	assert.Equal(t, quant.Multiplier{Q: d.Mult[0], Shift: d.Shift[0]}, p.A)
	assert.Equal(t, quant.Multiplier{Q: d.Mult[1], Shift: d.Shift[1]}, p.B)
	assert.Equal(t, quant.Multiplier{Q: d.Mult[2], Shift: d.Shift[2]}, p.Y)
	got := make([]int8, len(d.Out))
	quant.AddCodes(&p, got, nil, codes8(d.A), codes8(d.B), 0, len(got))
	assert.Equal(t, codes8(d.Out), got)
}

func TestTFLiteMul(t *testing.T) {
	d := readTFLite(t).Mul
	p := quant.TFLite.NewMul(1, d.Zero[0], 1, d.Zero[1], 1, d.Zero[2], -128, 127)
	p.M = quant.Multiplier{Q: d.Mult[0], Shift: d.Shift[0]}
	got := make([]int8, len(d.Out))
	quant.MulCodes(&p, got, nil, codes8(d.A), codes8(d.B), 0, len(got))
	assert.Equal(t, codes8(d.Out), got)
}

func TestTFLiteAvgPool(t *testing.T) {
	d := readTFLite(t).AvgPool
	for i, sum := range d.Sum {
		code, in := quant.TFLite.AvgPoolCode(sum, int(d.Count[i]), 3, -128, 127)
		assert.Equal(t, d.Out[i], code)
		assert.True(t, in)
	}
}

// q31Add is the fixed-point addition over the big-integer model.
func q31Add(r quant.Rule, p *quant.AddParams, a, b int32) int64 {
	single := r.Requant == quant.RequantQ31Single
	x := q31Model(single, (a-p.ZA)<<20, p.A.Q, p.A.Shift).Int64()
	y := q31Model(single, (b-p.ZB)<<20, p.B.Q, p.B.Shift).Int64()
	if p.Subtract {
		y = -y
	}
	return q31Model(single, int32(x+y), p.Y.Q, p.Y.Shift).Int64() + int64(p.ZY)
}

// TestAddMulCodes runs pairs of codes from the whole square through the slice functions and
// compares with the scalar ones, with the fixed-point model, with what
// dequantize, add and quantize give, and with the real result to one code.
func TestAddMulCodes(t *testing.T) {
	var a []int8
	var b []uint8
	for i := 0; i < 1<<16; i += 7 {
		a, b = append(a, int8(i>>8)), append(b, uint8(i))
	}
	n := len(a)
	rng := rand.New(rand.NewPCG(21, 22))
	for _, r := range allRules {
		sa, sb, sy := rng.Float32()+0.01, rng.Float32()/4+0.01, rng.Float32()*2+0.5
		za, zb, zy := rng.Int32N(256)-128, rng.Int32N(256), rng.Int32N(200)
		const lo, hi = 3, 250
		for _, p := range []quant.AddParams{
			r.NewAdd(sa, za, sb, zb, sy, zy, lo, hi), r.NewSub(sa, za, sb, zb, sy, zy, lo, hi),
			r.NewAdd(0.5, 0, 0.5, 0, 1, 10, 0, 255), // ties at every odd sum
		} {
			y, mask := make([]uint8, n), make([]byte, (n+7)/8)
			quant.AddCodes(&p, y, mask, a, b, 0, n)
			for i := range y {
				code, in := p.Code(int32(a[i]), int32(b[i]))
				if code != int32(y[i]) || in != bit(mask, i) {
					t.Fatalf("%v %+v: %d and %d: want %d, %v; have %d", r, p, a[i], b[i], code, in, y[i])
				}
				fa, fb := quant.Dequantize(int32(a[i]), p.ZA, p.SA), quant.Dequantize(int32(b[i]), p.ZB, p.SB)
				if p.Subtract {
					fb = -fb
				}
				if r.Requant == quant.RequantFloat {
					want, _ := r.Quantize(fa+fb, p.SY, p.ZY, p.Lo, p.Hi)
					require.Equal(t, want, code)
				} else {
					want := q31Add(r, &p, int32(a[i]), int32(b[i]))
					require.Equal(t, min(max(want, int64(p.Lo)), int64(p.Hi)), int64(code))
					require.Equal(t, want >= int64(p.Lo) && want <= int64(p.Hi), in)
				}
				real := (float64(fa)+float64(fb))/float64(p.SY) + float64(p.ZY)
				require.InDelta(t, min(max(real, float64(p.Lo)), float64(p.Hi)), float64(code), 1)
			}
			tiled, tmask := make([]uint8, n), make([]byte, (n+7)/8)
			for from := 0; from < n; from += 1000 {
				quant.AddCodes(&p, tiled, tmask, a, b, from, min(from+1000, n))
			}
			require.Equal(t, y, tiled)
			require.Equal(t, mask, tmask)
			alias := append([]uint8(nil), b...)
			quant.AddCodes(&p, alias, nil, a, alias, 0, n)
			require.Equal(t, y, alias)
		}

		p := r.NewMul(sa, za, sb, zb, sy, zy, lo, hi)
		y, mask := make([]uint8, n), make([]byte, (n+7)/8)
		quant.MulCodes(&p, y, mask, a, b, 0, n)
		for i := range y {
			code, in := p.Code(int32(a[i]), int32(b[i]))
			if code != int32(y[i]) || in != bit(mask, i) {
				t.Fatalf("%v %+v: %d and %d: want %d, %v; have %d", r, p, a[i], b[i], code, in, y[i])
			}
			fa, fb := quant.Dequantize(int32(a[i]), p.ZA, p.SA), quant.Dequantize(int32(b[i]), p.ZB, p.SB)
			real := float64(fa)*float64(fb)/float64(p.SY) + float64(p.ZY)
			require.InDelta(t, min(max(real, lo), hi), float64(code), 1)
		}
	}
}

func TestAvgPoolCode(t *testing.T) {
	for _, c := range []struct {
		r     quant.Rule
		sum   int32
		count int
		zero  int32
		code  int32
		in    bool
	}{
		{quant.ONNX, 3, 2, 0, 2, true}, {quant.ONNX, 5, 2, 0, 2, true}, {quant.ONNX, -5, 2, 0, -2, true},
		{quant.ONNX, 5, 2, 1, 3, true}, // (5-2)/2 = 1.5, to 2, plus 1
		{quant.TFLite, 5, 2, 1, 3, true}, {quant.TFLite, -5, 2, 1, -3, true}, {quant.TFLite, 1, 2, 0, 1, true},
		{quant.TFLite, 0, 4, 0, 0, true}, {quant.TFLite, 400, 2, 0, 127, false}, {quant.ONNX, -400, 2, 0, -128, false},
		{quant.ONNX, 7, 0, 9, 9, false}, {quant.TFLite, math.MaxInt32, 1, 0, 127, false},
	} {
		code, in := c.r.AvgPoolCode(c.sum, c.count, c.zero, -128, 127)
		assert.Equal(t, c.code, code, "%+v", c)
		assert.Equal(t, c.in, in, "%+v", c)
	}
}

func TestTable(t *testing.T) {
	sigmoid := func(x float64) float64 { return 1 / (1 + math.Exp(-x)) }
	table := quant.Table[int8](quant.TFLite, sigmoid, 0.1, 5, 1.0/256, -128, -128, 127)
	var codes []int8
	for q := -128; q <= 127; q++ {
		codes = append(codes, int8(q))
	}
	out := make([]int8, len(codes))
	quant.Lookup(out, codes, &table, 0, len(codes))
	for i, q := range codes {
		want, _ := quant.TFLite.Quantize(float32(sigmoid(float64(quant.Dequantize(int32(q), 5, 0.1)))), 1.0/256, -128, -128, 127)
		assert.Equal(t, int8(want), out[i])
		if i > 0 {
			assert.GreaterOrEqual(t, out[i], out[i-1])
		}
	}
	assert.Equal(t, int8(0), out[128+5], "sigmoid(0) = 0.5")
	mixed := quant.TableFrom[uint8, int8](quant.ONNX, math.Sqrt, 1, 0, 1, 7, 0, 255)
	assert.Equal(t, uint8(7+10), mixed[100])
	assert.Equal(t, uint8(7), mixed[256-100], "NaN gives the code of zero")
}
