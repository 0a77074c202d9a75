package quant_test

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/goqat/goqat/quant"
)

var (
	inf       = float32(math.Inf(1))
	nan32     = float32(math.NaN())
	allRules  = []quant.Rule{quant.ONNX, quant.PyTorch, quant.PyTorchFused, quant.TFLite, quant.TFLiteSingle}
	maxFloat  = float32(math.MaxFloat32)
	denormal  = float32(math.SmallestNonzeroFloat32)
	leastNorm = float32(0x1p-126)
)

func allSchemes() []quant.Scheme {
	var out []quant.Scheme
	for bits := 1; bits <= quant.MaxBits; bits++ {
		for k := range 16 {
			s := quant.Scheme{Bits: bits, Signed: k&1 != 0, Symmetric: k&2 != 0, Narrow: k&4 != 0, PowerOf2: k&8 != 0}
			if s.Validate() == nil {
				out = append(out, s)
			}
		}
	}
	return out
}

func TestScaleZeroValues(t *testing.T) {
	full := quant.Scheme{Bits: 8, Signed: true, Symmetric: true}
	for _, c := range []struct {
		what     string
		r        quant.Rule
		s        quant.Scheme
		min, max float32
		scale    float32
		zero     int32
	}{
		{"amax/127 narrow", quant.ONNX, quant.Weights(8), -2, 1, float32(2.0 / 127), 0},
		{"amax/127.5 full", quant.ONNX, full, -2, 1, float32(2.0 / 127.5), 0},
		{"amax/127.5 full", quant.PyTorch, full, -2, 1, float32(2.0 / 127.5), 0},
		{"fused takes max(|min|/128, max/127)", quant.PyTorchFused, full, -2, 1, float32(2.0 / 128), 0},
		{"amax/127 narrow", quant.TFLite, quant.Weights(8), -2, 1, float32(2.0 / 127), 0},
		{"affine", quant.ONNX, quant.UInt8(), -1, 1.55, 0.01, 100},
		{"widened to zero", quant.ONNX, quant.UInt8(), 1, 2.55, 0.01, 0},
		{"widened to zero", quant.ONNX, quant.Int8(), -2.55, -1, 0.01, 127},
		{"affine", quant.PyTorch, quant.UInt8(), -1, 1.55, 0.01, 100},
		{"affine", quant.TFLite, quant.Int8(), -1, 1.55, 0.01, -28},
		{"relu6", quant.TFLite, quant.Int8(), 0, 6, float32(6.0 / 255), -128},
		{"zero point on a tie goes to even", quant.ONNX, quant.UInt8(), -0.5, 254.5, 1, 0},
		{"and so in torch, with another sign", quant.PyTorch, quant.UInt8(), -1.5, 253.5, 1, 2},
		{"and away from zero in TFLite", quant.TFLite, quant.UInt8(), -2.5, 252.5, 1, 3},
		{"zero range", quant.ONNX, quant.Int8(), 0, 0, 1, 0},
		{"zero range, symmetric uint8", quant.ONNX, quant.Scheme{Bits: 8, Symmetric: true}, 0, 0, 1, 128},
		{"zero range", quant.PyTorch, quant.Int8(), 0, 0, 0x1p-23, -128},
		{"zero range", quant.TFLite, quant.Int8(), 0, 0, 1, 0},
		{"zero range", quant.PyTorchFused, quant.UInt8(), 0, 0, 0.1, 0},
		{"symmetric uint8", quant.PyTorch, quant.Scheme{Bits: 8, Symmetric: true}, -1, 2.55, 0.02, 128},
		{"symmetric uint7", quant.PyTorch, quant.Scheme{Bits: 7, Symmetric: true}, 0, 63.5, 1, 63},
		{"least scale", quant.PyTorch, quant.UInt8(), 0, 1e-9, 0x1p-23, 0},
		{"power of two", quant.ONNX, quant.Scheme{Bits: 8, Signed: true, Symmetric: true, Narrow: true, PowerOf2: true}, -127, 1, 1, 0},
		{"power of two, up", quant.ONNX, quant.Scheme{Bits: 8, Signed: true, Symmetric: true, Narrow: true, PowerOf2: true}, -127.1, 1, 2, 0},
		{"power of two moves the zero point", quant.ONNX, quant.Scheme{Bits: 8, PowerOf2: true}, -2, 2, 0x1p-5, 64},
	} {
		scale, zero, err := c.r.ScaleZero(c.s, c.min, c.max)
		require.NoError(t, err)
		assert.Equal(t, c.scale, scale, "%s: %v %v [%v, %v]", c.what, c.r, c.s, c.min, c.max)
		assert.Equal(t, c.zero, zero, "%s: %v %v [%v, %v]", c.what, c.r, c.s, c.min, c.max)
	}
}

func TestScaleZeroErrors(t *testing.T) {
	for _, r := range allRules {
		for _, c := range []struct {
			min, max float32
			want     error
		}{
			{nan32, 1, quant.ErrNaN}, {0, nan32, quant.ErrNaN},
			{-inf, 1, quant.ErrRange}, {0, inf, quant.ErrRange}, {1, 0.5, quant.ErrRange},
		} {
			_, _, err := r.ScaleZero(quant.Int8(), c.min, c.max)
			assert.ErrorIs(t, err, c.want)
		}
		_, _, err := r.ScaleZero(quant.Scheme{}, 0, 1)
		assert.ErrorIs(t, err, quant.ErrScheme)
	}
	err := quant.ONNX.ScaleZeroSlice(quant.Int8(), make([]float32, 2), make([]int32, 2), []float32{0, nan32}, []float32{1, 1})
	assert.ErrorIs(t, err, quant.ErrNaN)
	assert.ErrorContains(t, err, "channel 1")
	err = quant.ONNX.ScaleZeroSlice(quant.Int8(), make([]float32, 2), make([]int32, 1), make([]float32, 2), make([]float32, 2))
	assert.ErrorIs(t, err, quant.ErrRange)
}

// TestScaleZeroProperties checks what every rule promises on every scheme:
// the scale is a finite normal number, the zero point a code, 0 is exact, and
// the ends are within one step of the range that codes can represent.
func TestScaleZeroProperties(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	ends := []float32{0, denormal, -denormal, leastNorm, 1e-30, -1e-10, 6.1e-5, 1, -1, 3.5, 1e10, -1e20, 1e38, maxFloat, -maxFloat}
	for range 10 {
		ends = append(ends, float32(rng.NormFloat64()*math.Pow(10, rng.Float64()*8-4)))
	}
	for _, r := range allRules {
		for _, s := range allSchemes() {
			lo, hi := s.Range()
			for _, a := range ends {
				for _, b := range ends {
					if a > b {
						continue
					}
					scale, zero, err := r.ScaleZero(s, a, b)
					require.NoError(t, err)
					if !(scale >= leastNorm && scale <= maxFloat) {
						t.Fatalf("%v %v [%v, %v]: scale %v", r, s, a, b, scale)
					}
					if !(zero >= lo && zero <= hi) {
						t.Fatalf("%v %v [%v, %v]: zero %v", r, s, a, b, zero)
					}
					if s.PowerOf2 {
						f, _ := math.Frexp(float64(scale))
						require.Equal(t, 0.5, f, "%v %v [%v, %v]: scale %v", r, s, a, b, scale)
					}
					code, in := r.Quantize(0, scale, zero, lo, hi)
					if !in || code != zero {
						t.Fatalf("%v %v [%v, %v]: 0 has code %d", r, s, a, b, code)
					}
					// FBGEMM drops part of the range where the scheme is
					// symmetric but the range is not.
					if s.Symmetric || r.Scale == quant.ScaleFBGEMM || max(-a, b) > 1e38 {
						continue
					}

					reach := 1.001 * float64(scale)
					first, last := float64(quant.Dequantize(lo, zero, scale))-reach, float64(quant.Dequantize(hi, zero, scale))+reach
					if first > float64(a) || last < float64(b) {
						t.Fatalf("%v %v [%v, %v]: codes reach from %v to %v", r, s, a, b, first, last)
					}
				}
			}
		}
	}
}

func TestPowerOf2Up(t *testing.T) {
	for _, c := range [][2]float32{{1, 1}, {1.0000001, 2}, {0.75, 1}, {0x1p-126, 0x1p-126}, {maxFloat, 0x1p127}, {0x1p127, 0x1p127}} {
		assert.Equal(t, c[1], quant.PowerOf2Up(c[0]))
	}
}

func TestRoundZero(t *testing.T) {
	for _, c := range []struct {
		z    float32
		want int32
	}{{0.5, 0}, {1.5, 2}, {-0.5, 0}, {-1.5, -2}, {126.6, 127}, {1e9, 127}, {-inf, -128}, {nan32, 0}} {
		assert.Equal(t, c.want, quant.RoundZero(c.z, -128, 127))
	}
}
