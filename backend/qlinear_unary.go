package backend

import (
	"fmt"
	"math"

	"github.com/goqat/goqat/quant"
)

// UnaryFunc is a function of one number that [QLinearUnary] runs on codes.
type UnaryFunc uint8

// The functions. LeakyRelu's slope is [QLinearUnary].Alpha.
const (
	UnarySigmoid     UnaryFunc = iota // 1 / (1 + exp(-x))
	UnaryTanh                         // tanh(x)
	UnaryHardSwish                    // x * clamp(x+3, 0, 6) / 6
	UnaryHardSigmoid                  // clamp(x+3, 0, 6) / 6
	UnaryGelu                         // x/2 * (1 + erf(x/sqrt(2)))
	UnaryGeluTanh                     // x/2 * (1 + tanh(sqrt(2/pi) * (x + 0.044715 x^3)))
	UnaryLeakyRelu                    // x for x >= 0, else alpha*x
	UnaryExp                          // exp(x)
	unaryFuncs
)

var unaryNames = [...]string{"sigmoid", "tanh", "hard_swish", "hard_sigmoid", "gelu", "gelu_tanh", "leaky_relu", "exp"}

// Valid reports whether f is one of the functions.
func (f UnaryFunc) Valid() bool { return f < unaryFuncs }

// String returns the function's name, such as "hard_swish".
func (f UnaryFunc) String() string {
	if f.Valid() {
		return unaryNames[f]
	}
	return fmt.Sprintf("UnaryFunc(%d)", uint8(f))
}

// Eval returns f(x), LeakyRelu with slope 0.01, NaN for a value that is no
// function. All arithmetic is float64 in a fixed order without fused
// multiplications, so that code tables are the same on every machine, which
// package math does not promise.
func (f UnaryFunc) Eval(x float64) float64 { return f.eval(x, 0.01) }

func (f UnaryFunc) eval(x, alpha float64) float64 {
	switch f {
	case UnarySigmoid:
		return 1 / (1 + exp(-x))
	case UnaryTanh:
		return tanh(x)
	case UnaryHardSwish:
		return x * math.Min(math.Max(x+3, 0), 6) / 6
	case UnaryHardSigmoid:
		return math.Min(math.Max(x+3, 0), 6) / 6
	case UnaryGelu:
		return x / 2 * (1 + erf(x/math.Sqrt2))
	case UnaryGeluTanh:
		return x / 2 * (1 + tanh(geluInner(x)))
	case UnaryLeakyRelu:
		if x < 0 {
			return alpha * x
		}
		return x
	case UnaryExp:
		return exp(x)
	}
	return math.NaN()
}

// Slope returns the derivative of f at x, LeakyRelu with slope 0.01. At the
// kinks of HardSwish and HardSigmoid and at 0 of LeakyRelu it is that of the
// left side, as in PyTorch.
func (f UnaryFunc) Slope(x float64) float64 { return f.slope(x, 0.01) }

func (f UnaryFunc) slope(x, alpha float64) float64 {
	switch f {
	case UnarySigmoid:
		s := 1 / (1 + exp(-x))
		return s * (1 - s)
	case UnaryTanh:
		t := tanh(x)
		return (1 - t) * (1 + t)
	case UnaryHardSwish:
		switch {
		case x <= -3:
			return 0
		case x <= 3:
			return (float64(2*x) + 3) / 6
		}
		return 1
	case UnaryHardSigmoid:
		if x > -3 && x < 3 {
			return 1.0 / 6
		}
		return 0
	case UnaryGelu:
		density := exp(-x*x/2) / math.Sqrt(2*math.Pi)
		return (1+erf(x/math.Sqrt2))/2 + float64(x*density)
	case UnaryGeluTanh:
		t := tanh(geluInner(x))
		inner := geluFactor * (1 + float64(3*geluCube*x*x))
		return (1+t)/2 + float64(x/2*((1-t)*(1+t))*inner)
	case UnaryLeakyRelu:
		if x > 0 {
			return 1
		}
		return alpha
	case UnaryExp:
		return exp(x)
	}
	return math.NaN()
}

const (
	geluFactor = 0.79788456080286535588 // sqrt(2/pi)
	geluCube   = 0.044715
)

func geluInner(x float64) float64 { return geluFactor * (x + float64(geluCube*x*x*x)) }

// exp is e^x: x = k*ln2 + r, a Taylor polynomial in r, times 2^k.
func exp(x float64) float64 {
	const ln2hi, ln2lo = 6.93147180369123816490e-01, 1.90821492927058770002e-10
	switch {
	case x != x:
		return x
	case x > 710:
		return math.Inf(1)
	case x < -750:
		return 0
	}
	k := math.RoundToEven(x / math.Ln2)
	r := x - float64(k*ln2hi) - float64(k*ln2lo)
	p := 1.0
	for i := 18; i > 0; i-- {
		p = 1 + float64(p*r/float64(i))
	}
	return math.Ldexp(p, int(k))
}

func tanh(x float64) float64 {
	if a := math.Abs(x); a < 0.1 {
		// 1-e^-2a would cancel; the continued fraction of tanh does not.
		x2 := float64(x * x)
		return x / (1 + x2/(3+x2/(5+x2/(7+x2/(9+x2/11)))))
	}
	e := exp(-2 * math.Abs(x))
	return math.Copysign((1-e)/(1+e), x)
}

// erf is 2/sqrt(pi) * e^(-x^2) * sum 2^n x^(2n+1) / (2n+1)!!, whose terms are
// all of one sign.
func erf(x float64) float64 {
	if x > 6 || x < -6 {
		return math.Copysign(1, x)
	}
	term, sum := x, x
	for n := 1; n < 200; n++ {
		term = term * 2 * x * x / float64(2*n+1)
		next := sum + term
		if next == sum {
			break
		}
		sum = next
	}
	return 2 / math.Sqrt(math.Pi) * exp(-x*x) * sum
}

// QLinearUnary applies a function to codes through a table of all 256 codes,
//
//	y = Quantize(float32(f(sx * (x - zx))), sy, zy)
//
// Inputs: codes, scale float32 [1], zero int32 [1], scale and zero point of
// the result. Outputs: codes of Scheme, and the bit mask of the elements
// whose unclamped integer lies in the code range. Alpha is the slope of
// UnaryLeakyRelu.
type QLinearUnary struct {
	Func   UnaryFunc
	Alpha  float32
	Rule   quant.Rule
	Scheme quant.Scheme
}

// OpName returns "qlinear_unary".
func (QLinearUnary) OpName() string { return "qlinear_unary" }

// Eval returns the function's value at x.
func (o QLinearUnary) Eval(x float64) float64 { return o.Func.eval(x, float64(o.Alpha)) }

// QLinearUnaryGrad is dx = dy * f'(sx * (x - zx)). Inputs: dy, codes, scale
// float32 [1], zero int32 [1].
type QLinearUnaryGrad struct {
	Func  UnaryFunc
	Alpha float32
}

// OpName returns "qlinear_unary_grad".
func (QLinearUnaryGrad) OpName() string { return "qlinear_unary_grad" }

// Slope returns the function's derivative at x.
func (o QLinearUnaryGrad) Slope(x float64) float64 { return o.Func.slope(x, float64(o.Alpha)) }
