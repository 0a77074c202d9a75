// Package elementary has the exponential function and what is made of it, of
// single numbers and in loops over slices, and softmax and normalization along
// rows, in Go and in assembly.
//
// The functions of float32 are float32 arithmetic in a fixed order, every
// product rounded by a conversion so that no compiler contracts it with an
// addition. They give the same bits on every machine and instruction set,
// which package math does not promise, and their errors, in units in the last
// place of the result, are stated and tested. Sums are float64 in 16 lanes,
// see lanes.go.
package elementary

import "math"

const (
	log2E = 1.44269504088896341
	// ln 2 in two parts: products of the first with integers up to 2^14 are
	// exact.
	ln2Hi = 0.693359375
	ln2Lo = -2.12194440e-4
	// Adding and taking away 1.5 * 2^23 rounds to an integer, to even.
	roundMagic = 12582912
)

// Exp32 returns e^x with an error below 1.5 units, 0 and +Inf beyond the
// range and subnormal results inside it (polynomial of Cephes expf).
func Exp32(x float32) float32 {
	if !(x <= 88.722839) {
		if x > 0 {
			return float32(math.Inf(1))
		}
		return x // NaN
	}
	if x < -104 {
		return 0
	}
	t := float32(x*log2E) + roundMagic
	k := t - roundMagic
	r := x - float32(k*ln2Hi)
	r -= float32(k * ln2Lo)
	p := float32(1.9875691500e-4*r) + 1.3981999507e-3
	p = float32(p*r) + 8.3334519073e-3
	p = float32(p*r) + 4.1665795894e-2
	p = float32(p*r) + 1.6666665459e-1
	p = float32(p*r) + 5.0000001201e-1
	p = float32(float32(p*r)*r) + r
	p++
	// 2^k in two factors: the product is subnormal or near overflow at most
	// once, in the last multiplication.
	n := int32(math.Float32bits(t)) - int32(math.Float32bits(roundMagic))
	h := n >> 1
	return p * math.Float32frombits(uint32(h+127)<<23) * math.Float32frombits(uint32(n-h+127)<<23)
}

// Sigmoid32 returns 1/(1+exp(-x)) with an error below 3 units.
func Sigmoid32(x float32) float32 {
	if x >= 0 {
		return 1 / (1 + Exp32(-x))
	}
	e := Exp32(x)
	return e / (1 + e)
}

// Tanh32 returns the hyperbolic tangent with an error below 2 units
// (polynomial of Cephes tanhf).
func Tanh32(x float32) float32 {
	a := float32(math.Abs(float64(x)))
	if a < 0.625 {
		z := float32(x * x)
		p := float32(-5.70498872745e-3*z) + 2.06390887954e-2
		p = float32(p*z) - 5.37397155531e-2
		p = float32(p*z) + 1.33314422036e-1
		p = float32(p*z) - 3.33332819422e-1
		return float32(float32(p*z)*x) + x
	}
	y := 1 - 2/(Exp32(2*a)+1)
	if x < 0 {
		return -y
	}
	return y
}

// Normal32 returns the distribution function of the normal distribution,
// erfc(-x/sqrt(2))/2, with an absolute error below 1.2e-7 and a relative one
// below 2e-5 down to x = -12 (polynomial of Cephes erff, and beyond
// |x| = sqrt(2) the Chebyshev fit of Numerical Recipes, 6.2).
func Normal32(x float32) float32 {
	y := float32(x * (1 / math.Sqrt2))
	z := float32(math.Abs(float64(y)))
	if z < 1 {
		q := float32(y * y)
		p := float32(7.853861353153693e-5*q) - 8.010193625184903e-4
		p = float32(p*q) + 5.188327685732524e-3
		p = float32(p*q) - 2.685381193529856e-2
		p = float32(p*q) + 1.128358514861418e-1
		p = float32(p*q) - 3.761262582423300e-1
		p = float32(p*q) + 1.128379165726710
		return 0.5 + float32(0.5*y*p)
	}
	t := 1 / (1 + float32(0.5*z))
	p := float32(0.17087277*t) - 0.82215223
	p = float32(p*t) + 1.48851587
	p = float32(p*t) - 1.13520398
	p = float32(p*t) + 0.27886807
	p = float32(p*t) - 0.18628806
	p = float32(p*t) + 0.09678418
	p = float32(p*t) + 0.37409196
	p = float32(p*t) + 1.00002368
	p = float32(p*t) - 1.26551223
	tail := float32(float32(0.5*t) * Exp32(p-float32(z*z)))
	if x < 0 {
		return tail
	}
	return 1 - tail
}

// Log is math.Log (FreeBSD's e_log.c) without fused multiplications,
// for sums that must give the same bits everywhere.
func Log(x float64) float64 {
	switch {
	case math.IsNaN(x) || math.IsInf(x, 1):
		return x
	case x < 0:
		return math.NaN()
	case x == 0:
		return math.Inf(-1)
	}
	f, e := math.Frexp(x)
	if f < math.Sqrt2/2 {
		f *= 2
		e--
	}
	f--
	k := float64(e)
	s := f / (2 + f)
	s2 := float64(s * s)
	s4 := float64(s2 * s2)
	t1 := float64(s4*1.479819860511658591e-01) + 1.818357216161805012e-01
	t1 = float64(s4*t1) + 2.857142874366239149e-01
	t1 = float64(s4*t1) + 6.666666666666735130e-01
	t2 := float64(s4*1.531383769920937332e-01) + 2.222219843214978396e-01
	t2 = float64(s4*t2) + 3.999999999940941908e-01
	r := float64(s2*t1) + float64(s4*t2)
	half := float64(0.5 * f * f)
	low := float64(s*(half+r)) + float64(k*1.90821492927058770002e-10)
	return float64(k*6.93147180369123816490e-01) - ((half - low) - f)
}

// Sigmoid64 is the float64 twin of Sigmoid32, from package math.
func Sigmoid64(x float64) float64 {
	if x >= 0 {
		return 1 / (1 + math.Exp(-x))
	}
	e := math.Exp(x)
	return e / (1 + e)
}

// Normal64 is the float64 twin of Normal32, from package math.
func Normal64(x float64) float64 { return math.Erfc(-x/math.Sqrt2) / 2 }
