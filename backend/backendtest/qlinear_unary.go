package backendtest

import (
	"fmt"
	"math"
	"math/rand/v2"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/quant"
	"github.com/goqat/goqat/tensor"
)

const leakySlope = 0.125

func init() {
	Register(Conformance{
		Op: backend.QLinearUnary{},
		Cases: func(r *rand.Rand) []Case {
			var cs []Case
			for f := backend.UnaryFunc(0); f.Valid(); f++ {
				for i, n := range []int{0, 1, 519, 70001} {
					from, to := quant.Int8(), quant.UInt8()
					if i%2 == 1 {
						from, to = quant.UInt8(), quant.Int8()
					}
					rule := [...]quant.Rule{quant.ONNX, quant.PyTorch, quant.TFLite}[(i+int(f))%3]
					cs = append(cs, Case{Name: fmt.Sprintf("%v_n=%d", f, n), In: codeTableInputs(r, from, to, n),
						Op: backend.QLinearUnary{Func: f, Alpha: leakySlope, Rule: rule, Scheme: to}})
				}
			}
			return cs
		},
		Ref: func(op backend.Op, in, out []*tensor.Tensor) {
			o := op.(backend.QLinearUnary)
			lo, hi := o.Scheme.Range()
			sx, zx, sy, zy := in[1].F32()[0], in[2].I32()[0], in[3].F32()[0], in[4].I32()[0]
			for i := range in[0].Numel() {
				y, _ := unaryByDefinition(o.Func, float64(float32(int32(in[0].At(i))-zx)*sx))
				q := quantized(o.Rule, float32(y), sy, zy)
				Set(out[0], i, min(max(q, float64(lo)), float64(hi)))
				if q >= float64(lo) && q <= float64(hi) {
					Set(out[1], i, 1)
				}
			}
		},
	})
	Register(Conformance{
		Op: backend.QLinearUnaryGrad{},
		Cases: func(r *rand.Rand) []Case {
			var cs []Case
			for f := backend.UnaryFunc(0); f.Valid(); f++ {
				for i, s := range []quant.Scheme{quant.Int8(), quant.UInt8()} {
					in := codeTableInputs(r, s, s, 1003+i)
					cs = append(cs, Case{Name: fmt.Sprintf("%v_%v", f, s), Op: backend.QLinearUnaryGrad{Func: f, Alpha: leakySlope},
						In: []*tensor.Tensor{Normal(r, 1, 1003+i), in[0], in[1], in[2]}})
				}
			}
			return cs
		},
		Ref: func(op backend.Op, in, out []*tensor.Tensor) {
			o := op.(backend.QLinearUnaryGrad)
			for i := range in[0].Numel() {
				_, slope := unaryByDefinition(o.Func, float64(float32(in[1].At(i)-in[3].At(0))*in[2].F32()[0]))
				Set(out[0], i, in[0].At(i)*slope)
			}
		},
	})
}

// unaryByDefinition returns a function and its derivative, from package math.
func unaryByDefinition(f backend.UnaryFunc, x float64) (y, slope float64) {
	sigmoid := 1 / (1 + math.Exp(-x))
	hard := math.Min(math.Max(x+3, 0), 6) / 6
	inside := 0.0
	if math.Abs(x) < 3 {
		inside = 1
	}
	switch f {
	case backend.UnarySigmoid:
		return sigmoid, sigmoid * (1 - sigmoid)
	case backend.UnaryTanh:
		return math.Tanh(x), 1 - math.Tanh(x)*math.Tanh(x)
	case backend.UnaryHardSwish:
		return x * hard, hard + x*inside/6
	case backend.UnaryHardSigmoid:
		return hard, inside / 6
	case backend.UnaryGelu:
		phi := 0.5 * math.Erfc(-x/math.Sqrt2)
		return x * phi, phi + x*math.Exp(-x*x/2)/math.Sqrt(2*math.Pi)
	case backend.UnaryGeluTanh:
		k := math.Sqrt(2 / math.Pi)
		t := math.Tanh(k * (x + 0.044715*math.Pow(x, 3)))
		return x / 2 * (1 + t), (1+t)/2 + x/2*(1-t*t)*k*(1+3*0.044715*x*x)
	case backend.UnaryLeakyRelu:
		if x > 0 {
			return x, 1
		}
		return leakySlope * x, leakySlope
	case backend.UnaryExp:
		return math.Exp(x), math.Exp(x)
	}
	return math.NaN(), math.NaN()
}
