package tflite

import (
	"math"

	"github.com/goqat/goqat/quant"
)

// codeTable has the result of a function on codes for every int8 code, at
// index uint8(code).
type codeTable [256]int8

// params are scale and zero point of a tensor.
type params struct {
	scale float32
	zero  int32
}

func fill(f func(code int32) int32) (t codeTable) {
	for i := range t {
		t[i] = int8(min(max(f(int32(int8(i))), math.MinInt8), math.MaxInt8))
	}
	return t
}

// innerBits is the number of integer bits of the argument of the fixed-point
// sigmoid and tanh.
const innerBits = 4

// curve is LOGISTIC and TANH of TFLite's reference kernels and TFLite Micro:
// the code, scaled to a fixed-point number with 4 integer bits, goes through f,
// and codes beyond the range of that number saturate.
func curve(x params, f func(a int32, bits int) int32, outBits int, zero int32) codeTable {
	q, shift := quant.QuantizeMultiplier(float64(x.scale) * (1 << (31 - innerBits)))
	radius := int32(math.Floor(math.Min(math.Ldexp((1<<innerBits)-1, 31-innerBits-shift), math.MaxInt32)))
	return fill(func(code int32) int32 {
		v := code - x.zero
		switch {
		case v <= -radius:
			return math.MinInt8
		case v >= radius:
			return math.MaxInt8
		}
		return divPOT(f(scaled(v, q, shift), innerBits), 31-outBits) + zero
	})
}

// scaled is TFLite's MultiplyByQuantizedMultiplier.
func scaled(x, q int32, shift int) int32 {
	y, _ := quant.TFLite.Requantize(x, quant.Multiplier{Q: q, Shift: shift}, 0, math.MinInt32, math.MaxInt32)
	return y
}

func logisticTable(x params) codeTable { return curve(x, logistic, 8, -128) }
func tanhTable(x params) codeTable     { return curve(x, hyperbolic, 7, 0) }

// hardSwishTable is HARD_SWISH of TFLite, in 16-bit arithmetic.
func hardSwishTable(x, y params) codeTable {
	fine := float32(x.scale * (1.0 / 128))
	outQ, outShift := multiplier16(fine / y.scale)
	innerQ, innerShift := multiplier16(fine / (3.0 / 32768))
	return fill(func(code int32) int32 {
		v := int16(code-x.zero) * (1 << 7)
		out := high16(v, outQ)
		r := v
		if innerShift > 0 {
			r = shift16(r, innerShift-1)
		}
		r = high16(r, innerQ)
		switch {
		case innerShift > 0:
			r = shift16(r, 1)
		case innerShift < 0:
			r = int16(divPOT(int32(r), -innerShift))
		}
		// From [-1, 1] to [0, 1].
		r = int16((int32(r) + 1<<15) >> 1)
		p := int16(int32(r) * int32(out) / (1 << 15))
		return divPOT(int32(p), max(-outShift, 0)) + y.zero
	})
}

// multiplier16 is a fixed-point multiplier of 16 bits.
func multiplier16(real float32) (int16, int) {
	q, shift := quant.QuantizeMultiplier(float64(real))
	if q >= math.MaxInt32-1<<15 {
		return math.MaxInt16, shift
	}
	return int16((q + 1<<15) >> 16), shift
}

// leakyReluTable is LEAKY_RELU of TFLite: one multiplier on each side of 0.
func leakyReluTable(x, y params, alpha float32) codeTable {
	pq, ps := quant.QuantizeMultiplier(float64(x.scale / y.scale))
	nq, ns := quant.QuantizeMultiplier(float64(float32(x.scale*alpha) / y.scale))
	return fill(func(code int32) int32 {
		v := code - x.zero
		if v >= 0 {
			return scaled(v, pq, ps) + y.zero
		}
		return scaled(v, nq, ns) + y.zero
	})
}

// clampTable is RELU and its kind as operators of their own: a requantization
// and a clamp to [lo, hi].
func clampTable(x, y params, lo, hi int32) codeTable {
	m := quant.TFLite.NewMultiplier(x.scale, 1, y.scale)
	return fill(func(code int32) int32 {
		c, _ := quant.TFLite.Requantize(code-x.zero, m, y.zero, lo, hi)
		return c
	})
}
