package quant

import (
	"fmt"
	"math"
)

// Multiplier is the factor from an accumulator to a code: M under
// [RequantFloat], else the fixed-point number Q * 2^(Shift-31).
type Multiplier struct {
	M     float32
	Q     int32
	Shift int
}

// maxShift is the largest exponent of a fixed-point multiplier.
const maxShift = 30

// QuantizeMultiplier returns q and shift with real ~ q * 2^(shift-31) and
// 2^30 <= |q| < 2^31: real = m * 2^e by frexp, q = round(m * 2^31) half away
// from zero; q = 2^31 is halved and e raised; e < -31 gives 0, 0; e > 30
// saturates at 2^30 (TFLite's QuantizeMultiplier). NaN gives 0, 0.
func QuantizeMultiplier(real float64) (q int32, shift int) {
	if real == 0 || real != real {
		return 0, 0
	}
	if math.IsInf(real, 0) {
		return int32(math.Copysign(math.MaxInt32, real)), maxShift
	}
	m, e := math.Frexp(real)
	v := int64(math.Round(m * (1 << 31)))
	if v == 1<<31 || v == -1<<31 {
		v /= 2
		e++
	}
	switch {
	case e < -31:
		return 0, 0
	case e > maxShift:
		return int32(math.Copysign(math.MaxInt32, real)), maxShift
	}
	return int32(v), e
}

// NewMultiplier returns the factor sx*sw/sy from the accumulator of a product
// of codes to the code of the output. Under [RequantFloat] each step is
// float32, as in ONNX Runtime; otherwise float64, as in TFLite's per-channel
// kernels.
func (r Rule) NewMultiplier(sx, sw, sy float32) Multiplier {
	if r.Requant == RequantFloat {
		return Multiplier{M: float32(float32(sx*sw) / sy)}
	}
	return fixedMultiplier(float64(sx) * float64(sw) / float64(sy))
}

func fixedMultiplier(real float64) Multiplier {
	q, shift := QuantizeMultiplier(real)
	return Multiplier{Q: q, Shift: shift}
}

// Real returns the number that the multiplier stands for.
func (m Multiplier) Real() float64 {
	if m.M != 0 {
		return float64(m.M)
	}
	return math.Ldexp(float64(m.Q), m.Shift-31)
}

// Requantize returns the code of an accumulator, and whether the integer
// before clamping lies in [lo, hi].
//
//	RequantFloat      round(float32(acc) * M) + zero, product in float32
//	RequantQ31Double  RDBP(SRDHM(acc << max(Shift, 0), Q), max(-Shift, 0)) + zero
//	RequantQ31Single  (acc*Q + 2^(30-Shift)) >> (31-Shift) + zero
//
// SRDHM is gemmlowp's saturating rounding doubling high multiply, RDBP its
// rounding division by a power of two, half away from zero. Where the C code
// of those would overflow, the integer saturates instead of wrapping.
func (r Rule) Requantize(acc int32, m Multiplier, zero, lo, hi int32) (code int32, inRange bool) {
	if r.Requant == RequantFloat {
		v := float64(float32(acc) * m.M)
		if r.Rounding == HalfAway {
			v = math.Round(v)
		} else {
			v = math.RoundToEven(v)
		}
		v += float64(zero)
		switch {
		case v < float64(lo):
			return lo, false
		case v > float64(hi):
			return hi, false
		case v != v:
			return min(max(zero, lo), hi), false
		}
		return int32(v), true
	}
	v := int64(zero)
	if r.Requant == RequantQ31Double {
		v += int64(m.double(acc))
	} else {
		v += m.single(acc)
	}
	return int32(min(max(v, int64(lo)), int64(hi))), v >= int64(lo) && v <= int64(hi)
}

// double is TFLite's MultiplyByQuantizedMultiplier with double rounding.
func (m Multiplier) double(acc int32) int32 {
	if m.Shift > 0 {
		return srdhm(shiftLeft(acc, uint(m.Shift)), m.Q)
	}
	return rdbp(srdhm(acc, m.Q), uint(-m.Shift))
}

// single is the same with single rounding; the sum stays below 2^63.
func (m Multiplier) single(acc int32) int64 {
	s := uint(31 - m.Shift)
	return (int64(acc)*int64(m.Q) + 1<<(s-1)) >> s
}

// shiftLeft returns x * 2^n, n <= 30, saturated to an int32.
func shiftLeft(x int32, n uint) int32 {
	return int32(min(max(int64(x)<<n, math.MinInt32), math.MaxInt32))
}

// srdhm returns a*b / 2^31 rounded half up, gemmlowp's
// SaturatingRoundingDoublingHighMul: its truncating division after a nudge of
// 2^30, or 1-2^30 for negative products, is this shift.
func srdhm(a, b int32) int32 {
	// Only -2^31 * -2^31 gives 2^31, one too many.
	return int32(min((int64(a)*int64(b)+1<<30)>>31, math.MaxInt32))
}

// rdbp returns x / 2^n, n <= 31, rounded to the nearest, ties away from zero:
// gemmlowp's RoundingDivideByPOT.
func rdbp(x int32, n uint) int32 {
	mask := int32(1<<n - 1)
	threshold := mask>>1 + int32(uint32(x)>>31)
	var up int32
	if x&mask > threshold {
		up = 1
	}
	return x>>n + up
}

// RequantizeCodes writes the codes of acc[from:to] to dst, and their mask bits
// to mask unless it is nil. acc is [rows, channels]; m has one multiplier, or
// one a channel. It computes what [Rule.Requantize] does on each element.
func RequantizeCodes[T Code](r Rule, dst []T, mask []byte, acc []int32, m []Multiplier, zero, lo, hi int32, channels, from, to int) {
	var buf [blockLen]int32
	clearMask(mask, from, to)
	if len(m) == 1 {
		channels = 1
	}
	for i := from; i < to; {
		n := min(to-i, blockLen)
		q := buf[:n]
		r.requantized(q, acc[i:i+n], m[:channels], i%channels, zero, lo, hi)
		storeCodes(dst[i:i+n], q, zero, lo, hi)
		storeMask(mask, i, q, lo, hi)
		i += n
	}
}

// requantized writes to q the integers of acc with the zero point added, not
// yet clamped. The first uses multiplier c.
func (r Rule) requantized(q, acc []int32, m []Multiplier, c int, zero, lo, hi int32) {
	acc = acc[:len(q)]
	switch {
	case r.Requant == RequantFloat && r.Rounding == HalfEven:
		flo, fhi := float32(lo-zero-1), float32(hi-zero+1)
		for i, a := range acc {
			t := float32(float32(a) * m[c].M)
			q[i] = roundHalfEven(min(max(t, flo), fhi)) + zero
			if c++; c == len(m) {
				c = 0
			}
		}
	case r.Requant == RequantFloat:
		flo, fhi := float32(lo-zero-1), float32(hi-zero+1)
		for i, a := range acc {
			t := float32(float32(a) * m[c].M)
			q[i] = roundHalfAway(min(max(t, flo), fhi)) + zero
			if c++; c == len(m) {
				c = 0
			}
		}
	case r.Requant == RequantQ31Double:
		for i, a := range acc {
			q[i] = addZero(int64(m[c].double(a)), zero)
			if c++; c == len(m) {
				c = 0
			}
		}
	default:
		for i, a := range acc {
			q[i] = addZero(m[c].single(a), zero)
			if c++; c == len(m) {
				c = 0
			}
		}
	}
}

// addZero saturates short of notCode.
func addZero(v int64, zero int32) int32 {
	return int32(min(max(v+int64(zero), notCode+1), math.MaxInt32))
}

// QuantizeBias returns round(bias / (sx*sw)) in float64, the int32 bias of an
// accumulator of products of codes. It fails with [ErrNaN] when bias or the
// quotient is NaN and with [ErrRange] when the result is no int32.
func (r Rule) QuantizeBias(bias float64, sx, sw float32) (int32, error) {
	v := bias / (float64(sx) * float64(sw))
	if v != v {
		return 0, fmt.Errorf("%w: bias %v of scale %v * %v", ErrNaN, bias, sx, sw)
	}
	if r.Rounding == HalfAway {
		v = math.Round(v)
	} else {
		v = math.RoundToEven(v)
	}
	if v < math.MinInt32 || v > math.MaxInt32 {
		return 0, fmt.Errorf("%w: bias %v of scale %v * %v needs %v", ErrRange, bias, sx, sw, v)
	}
	return int32(v), nil
}

// MaxK returns the largest k such that every sum of k products of an x in
// [xlo, xhi] and a w in [wlo, whi] fits an int32: math.MaxInt32 when every
// product is 0. A zero point that is subtracted first belongs in the range.
func MaxK(xlo, xhi, wlo, whi int32) int {
	a, b := int64(xlo)*int64(wlo), int64(xlo)*int64(whi)
	c, d := int64(xhi)*int64(wlo), int64(xhi)*int64(whi)
	k := int64(math.MaxInt32)
	if top := max(a, b, c, d); top > 0 {
		k = min(k, math.MaxInt32/top)
	}
	if bottom := min(a, b, c, d); bottom < 0 {
		k = min(k, math.MinInt32/bottom)
	}
	return int(k)
}
