package tflite

import "math"

// Fixed-point numbers as gemmlowp has them: an int32 with a number of integer
// bits, the rest behind the point. The functions follow gemmlowp's
// fixedpoint.h operation by operation, since what they give is what runtimes
// give. Reference: github.com/google/gemmlowp fixedpoint/fixedpoint.h.

// highMul is a * b / 2^31, rounded and saturated.
func highMul(a, b int32) int32 {
	if a == math.MinInt32 && b == math.MinInt32 {
		return math.MaxInt32
	}
	return int32((int64(a)*int64(b) + 1<<30) >> 31)
}

// divPOT is x / 2^n rounded half away from zero.
func divPOT(x int32, n int) int32 {
	mask := int32(1<<n - 1)
	y := x >> n
	threshold := mask >> 1
	if x < 0 {
		threshold++
	}
	if x&mask > threshold {
		y++
	}
	return y
}

// mulPOT is x * 2^n, saturated.
func mulPOT(x int32, n int) int32 {
	return int32(min(max(int64(x)<<n, math.MinInt32), math.MaxInt32))
}

// halfSum is (a + b) / 2 rounded half away from zero.
func halfSum(a, b int32) int32 {
	s := int64(a) + int64(b)
	if s >= 0 {
		return int32((s + 1) / 2)
	}
	return int32((s - 1) / 2)
}

// expNegative is e^a for a <= 0 with bits integer bits; the result has none.
func expNegative(a int32, bits int) int32 {
	if a == 0 {
		return math.MaxInt32
	}
	fraction := 31 - bits
	quarter := int32(1) << (fraction - 2)
	rest := a&(quarter-1) - quarter
	result := expQuarter(mulPOT(rest, bits))
	remainder := rest - a
	for i, m := range [...]int32{1672461947, 1302514674, 790015084, 290630308, 39332535, 720401, 242} {
		// m is e^-(2^exponent).
		if exponent := i - 2; bits > exponent && remainder&(1<<(fraction+exponent)) != 0 {
			result = highMul(result, m)
		}
	}
	if bits > 5 && int64(a) < -(1<<(36-bits)) {
		return 0
	}
	return result
}

// expQuarter is e^a for a in [-1/4, 0) without integer bits: a Taylor series
// around -1/8.
func expQuarter(a int32) int32 {
	const constant, third = 1895147668, 715827883 // e^(-1/8), 1/3
	x := a + 1<<28
	x2 := highMul(x, x)
	x3 := highMul(x2, x)
	x4 := highMul(x2, x2)
	sum := divPOT(highMul(divPOT(x4, 2)+x3, third)+x2, 1)
	return constant + highMul(constant, x+sum)
}

// reciprocal is x = 2/(1+a) with two integer bits, for a in [0, 1] without:
// three steps of Newton's method.
func reciprocal(a int32) int32 {
	half := halfSum(a, math.MaxInt32)
	x := 1515870810 + highMul(half, -1010580540) // 48/17 - 32/17 * half
	for range 3 {
		x += mulPOT(highMul(x, 1<<29-highMul(half, x)), 2)
	}
	return x
}

// logistic is 1 / (1 + e^-a); a has bits integer bits, the result none.
func logistic(a int32, bits int) int32 {
	if a == 0 {
		return 1 << 30
	}
	n := a
	if a > 0 {
		n = -a
	}
	// x/2 without integer bits: the halving changes the point only.
	y := mulPOT(reciprocal(expNegative(n, bits)), 1)
	if a > 0 {
		return y
	}
	return math.MaxInt32 - y
}

// hyperbolic is tanh(a); a has bits integer bits, the result none.
func hyperbolic(a int32, bits int) int32 {
	if a == 0 {
		return 0
	}
	n := a
	if a > 0 {
		n = -a
	}
	t := mulPOT(reciprocal(expNegative(n, bits+1))-1<<29, 2)
	if a < 0 {
		return -t
	}
	return t
}

// high16 is a * b / 2^15, rounded and saturated, of 16-bit numbers.
func high16(a, b int16) int16 {
	if a == math.MinInt16 && b == math.MinInt16 {
		return math.MaxInt16
	}
	p := int32(a) * int32(b)
	if p >= 0 {
		return int16((p + 1<<14) / (1 << 15))
	}
	return int16((p + 1 - 1<<14) / (1 << 15))
}

// shift16 is a * 2^n, saturated to 16 bits.
func shift16(a int16, n int) int16 {
	return int16(min(max(int64(a)<<min(n, 32), math.MinInt16), math.MaxInt16))
}
