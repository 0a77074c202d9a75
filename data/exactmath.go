package data

import "math"

// The functions of package math differ in the last bit between architectures
// (assembly here, fused multiply-add there). Data sets must not, so the few that
// are needed are here, with every product rounded before it is added.

// sinTurn returns sin(2*pi*t), by the Taylor series to the 21st power on a
// quarter turn; the error is below 1e-15.
func sinTurn(t float64) float64 {
	t -= math.Floor(t)
	switch {
	case t > 0.75:
		t--
	case t > 0.25:
		t = 0.5 - t
	}
	x := float64(2 * math.Pi * t)
	s := float64(x * x)
	p := 1 / 51090942171709440000.0 // 21!
	for _, c := range [...]float64{
		-1 / 121645100408832000.0, 1 / 355687428096000.0, -1 / 1307674368000.0, 1 / 6227020800.0,
		-1 / 39916800.0, 1 / 362880.0, -1 / 5040.0, 1 / 120.0, -1 / 6.0, 1,
	} {
		p = float64(p*s) + c
	}
	return float64(p * x)
}

// cosTurn returns cos(2*pi*t).
func cosTurn(t float64) float64 { return sinTurn(t + 0.25) }

// logOf returns the natural logarithm of a positive finite x, by
//
//	ln x = e ln 2 + 2 atanh((m-1)/(m+1)),  x = m 2^e,  sqrt(1/2) <= m < sqrt(2).
func logOf(x float64) float64 {
	m, e := math.Frexp(x)
	if m < math.Sqrt2/2 {
		m *= 2
		e--
	}
	s := (m - 1) / (m + 1)
	q := float64(s * s)
	p := 1 / 25.0
	for k := 23; k >= 1; k -= 2 {
		p = float64(p*q) + 1/float64(k)
	}
	return float64(float64(e)*math.Ln2) + float64(float64(2*s)*p)
}

// expOf returns e^x for |x| below 700, by halving the argument to at most
// ln(2)/2 with powers of two and the Taylor series.
func expOf(x float64) float64 {
	k := math.Floor(float64(x/math.Ln2) + 0.5)
	r := x - float64(k*math.Ln2)
	p := 1.0
	for n := 16; n >= 1; n-- {
		p = 1 + float64(float64(p*r)/float64(n))
	}
	return math.Ldexp(p, int(k))
}
