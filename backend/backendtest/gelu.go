package backendtest

import (
	"math"
	"math/rand/v2"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/tensor"
)

func gelu(tanh bool, x float64) float64 {
	if tanh {
		return x / 2 * (1 + math.Tanh(math.Sqrt(2/math.Pi)*(x+0.044715*x*x*x)))
	}
	return x / 2 * (1 + math.Erf(x/math.Sqrt2))
}

func geluSlope(tanh bool, x float64) float64 {
	if tanh {
		t := math.Tanh(math.Sqrt(2/math.Pi) * (x + 0.044715*x*x*x))
		return (1+t)/2 + x/2*(1-t*t)*math.Sqrt(2/math.Pi)*(1+3*0.044715*x*x)
	}
	return (1+math.Erf(x/math.Sqrt2))/2 + x*math.Exp(-x*x/2)/math.Sqrt(2*math.Pi)
}

func init() {
	Register(Conformance{
		Op: backend.Gelu{},
		Cases: func(r *rand.Rand) []Case {
			var cs []Case
			for _, tanh := range []bool{false, true} {
				name := map[bool]string{false: "erf", true: "tanh"}[tanh]
				for _, x := range []*tensor.Tensor{Normal(r, 3, 4099), Normal(r, 1, 0), Double(Normal(r, 3, 77))} {
					cs = append(cs, Case{Name: name + "/" + x.String(), Op: backend.Gelu{Tanh: tanh}, In: []*tensor.Tensor{x}})
				}
			}
			return cs
		},
		Ref: func(op backend.Op, in, out []*tensor.Tensor) {
			for i := range in[0].Numel() {
				Set(out[0], i, gelu(op.(backend.Gelu).Tanh, in[0].At(i)))
			}
		},
	})
	Register(Conformance{
		Op: backend.GeluGrad{},
		Cases: func(r *rand.Rand) []Case {
			var cs []Case
			for _, tanh := range []bool{false, true} {
				name := map[bool]string{false: "erf", true: "tanh"}[tanh]
				for _, x := range []*tensor.Tensor{Normal(r, 3, 4099), Normal(r, 1, 0), Double(Normal(r, 3, 77))} {
					dy := Normal(r, 1, x.Numel())
					if x.DType() == tensor.F64 {
						dy = Double(dy)
					}
					cs = append(cs, Case{Name: name + "/" + x.String(), Op: backend.GeluGrad{Tanh: tanh}, In: []*tensor.Tensor{dy, x}})
				}
			}
			return cs
		},
		Ref: func(op backend.Op, in, out []*tensor.Tensor) {
			for i := range in[0].Numel() {
				Set(out[0], i, in[0].At(i)*geluSlope(op.(backend.GeluGrad).Tanh, in[1].At(i)))
			}
		},
	})
}
