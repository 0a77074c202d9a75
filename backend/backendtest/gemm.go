package backendtest

import (
	"fmt"
	"math/rand/v2"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/tensor"
)

func init() {
	Register(Conformance{Op: backend.Gemm{}, Cases: gemmCases(func(r *rand.Rand, lead tensor.Shape, n, k, i int) Case {
		c := Case{Op: backend.Gemm{}, In: []*tensor.Tensor{Normal(r, 1, append(lead, k)...), Normal(r, 1, n, k)}}
		if i%2 == 1 {
			c.In = append(c.In, Normal(r, 1, n))
		}
		return c
	}), Ref: func(_ backend.Op, in, out []*tensor.Tensor) {
		n, k := in[1].Shape()[0], in[1].Shape()[1]
		for i := range out[0].Numel() {
			var s float64
			if len(in) > 2 {
				s = in[2].At(i % n)
			}
			for p := range k {
				s += in[0].At(i/n*k+p) * in[1].At(i%n*k+p)
			}
			Set(out[0], i, s)
		}
	}})
	Register(Conformance{Op: backend.GemmGradInput{}, Cases: gemmCases(func(r *rand.Rand, lead tensor.Shape, n, k, i int) Case {
		p := gradPrecision(i)
		c := Case{Op: backend.GemmGradInput{Precision: p}, NMSE: gradNMSE(p), Exact: exactGrad(i), In: []*tensor.Tensor{resultGrad(r, i, append(lead, n)...)}}
		switch i % 3 {
		case 0:
			c.In = append(c.In, Normal(r, 1, n, k))
		case 1:
			c.In = append(c.In, Codes(r, tensor.I8, -127, 127, n, k), gradScales(r, i, n))
		case 2:
			c.In = append(c.In, Codes(r, tensor.I8, -127, 127, n, k), gradScales(r, i, 1))
		}
		return c
	}), Ref: func(_ backend.Op, in, out []*tensor.Tensor) {
		n, k, w := in[1].Shape()[0], in[1].Shape()[1], weightValues(in)
		for i := range out[0].Numel() {
			var s float64
			for p := range n {
				s += in[0].At(i/k*n+p) * w[p*k+i%k]
			}
			Set(out[0], i, s)
		}
	}})
	Register(Conformance{Op: backend.GemmGradWeight{}, Cases: gemmCases(func(r *rand.Rand, lead tensor.Shape, n, k, i int) Case {
		dy := resultGrad(r, i, append(lead.Clone(), n)...)
		p := gradPrecision(i)
		return Case{Op: backend.GemmGradWeight{Precision: p}, NMSE: gradNMSE(p), Exact: exactGrad(i), In: append([]*tensor.Tensor{dy}, inputOperand(r, i, append(lead, k))...)}
	}), Ref: func(_ backend.Op, in, out []*tensor.Tensor) {
		n, k, x := out[0].Shape()[0], out[0].Shape()[1], inputValues(in)
		for i := range out[0].Numel() {
			var s float64
			for p := range in[0].Numel() / n {
				s += in[0].At(p*n+i/k) * x[p*k+i%k]
			}
			Set(out[0], i, s)
		}
	}})
}

// gemmCases returns linear layers with leading dimensions lead, n outputs and
// k inputs.
func gemmCases(make func(r *rand.Rand, lead tensor.Shape, n, k, i int) Case) func(r *rand.Rand) []Case {
	return func(r *rand.Rand) []Case {
		var cs []Case
		for _, c := range []struct {
			lead tensor.Shape
			n, k int
		}{
			{tensor.Shape{1}, 1, 1}, {tensor.Shape{3}, 5, 7}, {tensor.Shape{17}, 33, 65}, {nil, 4, 9}, {tensor.Shape{2, 3, 5}, 7, 11},
			{tensor.Shape{128}, 10, 64}, {tensor.Shape{129}, 131, 70}, {tensor.Shape{3000}, 6, 5}, {tensor.Shape{0}, 3, 4}, {tensor.Shape{5}, 3, 0},
		} {
			for _, i := range gradIndices {
				k := make(r, c.lead.Clone(), c.n, c.k, i)
				k.Name = fmt.Sprintf("%vx%dx%d %d", c.lead, c.n, c.k, i)
				cs = append(cs, k)
			}
		}
		return cs
	}
}
