package backendtest

import (
	"fmt"
	"math"
	"math/rand/v2"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/tensor"
)

var batchNormShapes = []tensor.Shape{{2, 1}, {7, 5}, {128, 10}, {2, 9, 7, 13}, {3, 50, 4}, {9, 28, 28, 16}, {5000, 3}, {3, 4099}, {70001, 1}}

// batchNormInputs returns gamma, beta, mean and variance of c channels.
func batchNormInputs(r *rand.Rand, c int) []*tensor.Tensor {
	in := []*tensor.Tensor{Normal(r, 1, c), Normal(r, 1, c), Normal(r, 1, c), Normal(r, 1, c)}
	for i, v := range in[3].F32() {
		in[3].F32()[i] = v*v + 0.1
	}
	return in
}

func init() {
	eval := func(eps func(op backend.Op) float32) func(op backend.Op, in, out []*tensor.Tensor) {
		return func(op backend.Op, in, out []*tensor.Tensor) {
			for i := range in[0].Numel() {
				c := i % in[1].Numel()
				Set(out[0], i, in[1].At(c)*(in[0].At(i)-in[3].At(c))/math.Sqrt(in[4].At(c)+float64(eps(op)))+in[2].At(c))
			}
		}
	}
	evalCases := func(op backend.Op) func(r *rand.Rand) []Case {
		return func(r *rand.Rand) []Case {
			var cs []Case
			for _, s := range append(batchNormShapes, tensor.Shape{0, 4}, tensor.Shape{4, 0}, tensor.Shape{1, 3}) {
				cs = append(cs, Case{Name: fmt.Sprint(s), Op: op, In: append([]*tensor.Tensor{Normal(r, 2, s...)}, batchNormInputs(r, s.Last())...)})
			}
			return cs
		}
	}
	Register(Conformance{Op: backend.BatchNorm{}, Cases: evalCases(backend.BatchNorm{Eps: 1e-3, Momentum: 0.1}), Ref: eval(func(op backend.Op) float32 { return op.(backend.BatchNorm).Eps })})
	Register(Conformance{Op: backend.BatchNormEval{}, Cases: evalCases(backend.BatchNormEval{Eps: 1e-5}), Ref: eval(func(op backend.Op) float32 { return op.(backend.BatchNormEval).Eps })})
	Register(Conformance{
		Op: backend.BatchNormTrain{},
		Cases: func(r *rand.Rand) []Case {
			var cs []Case
			for _, s := range append(batchNormShapes, tensor.Shape{4, 0}) {
				for _, offset := range []float32{0, 100} {
					x := Normal(r, 2, s...)
					for i := range x.F32() {
						// Far from zero the variance must not cancel.
						x.F32()[i] += offset
					}
					cs = append(cs, Case{Name: fmt.Sprint(s, offset), Op: backend.BatchNormTrain{Eps: 1e-5, Momentum: 0.1}, In: append([]*tensor.Tensor{x}, batchNormInputs(r, s.Last())...)})
				}
			}
			return cs
		},
		Ref: func(op backend.Op, in, out []*tensor.Tensor) {
			bn := op.(backend.BatchNormTrain)
			mean, variance := batchStatistics(in[0])
			rows := float64(in[0].Shape()[:len(in[0].Shape())-1].Numel())
			for c := range mean {
				Set(out[1], c, mean[c])
				Set(out[2], c, 1/math.Sqrt(variance[c]+float64(bn.Eps)))
				Set(out[3], c, in[3].At(c)+float64(bn.Momentum)*(mean[c]-in[3].At(c)))
				Set(out[4], c, in[4].At(c)+float64(bn.Momentum)*(variance[c]*rows/(rows-1)-in[4].At(c)))
			}
			for i := range in[0].Numel() {
				c := i % len(mean)
				Set(out[0], i, in[1].At(c)*(in[0].At(i)-mean[c])/math.Sqrt(variance[c]+float64(bn.Eps))+in[2].At(c))
			}
		},
	})
	Register(Conformance{Op: backend.BatchNormGrad{}, Cases: batchNormGradCases(backend.BatchNormGrad{}), Ref: func(_ backend.Op, in, out []*tensor.Tensor) {
		batchNormGradReference(in, out, func(c int) float64 { return in[4].At(c) }, true)
	}})
	evalGrad := backend.BatchNormEvalGrad{Eps: 1e-5}
	Register(Conformance{Op: evalGrad, Cases: batchNormGradCases(evalGrad), Ref: func(_ backend.Op, in, out []*tensor.Tensor) {
		batchNormGradReference(in, out, func(c int) float64 { return 1 / math.Sqrt(in[4].At(c)+1e-5) }, false)
	}})
}

// batchStatistics returns mean and biased variance of the channels of x.
func batchStatistics(x *tensor.Tensor) (mean, variance []float64) {
	c := x.Shape().Last()
	rows := float64(x.Shape()[:len(x.Shape())-1].Numel())
	mean, variance = make([]float64, c), make([]float64, c)
	for i := range x.Numel() {
		mean[i%c] += x.At(i) / rows
	}
	for i := range x.Numel() {
		d := x.At(i) - mean[i%c]
		variance[i%c] += d * d / rows
	}
	return mean, variance
}

func batchNormGradCases(op backend.Op) func(r *rand.Rand) []Case {
	return func(r *rand.Rand) []Case {
		var cs []Case
		for _, s := range append(batchNormShapes, tensor.Shape{0, 4}, tensor.Shape{4, 0}) {
			p := batchNormInputs(r, s.Last())
			cs = append(cs, Case{Name: fmt.Sprint(s), Op: op, In: []*tensor.Tensor{Normal(r, 1, s...), Normal(r, 2, s...), p[0], p[2], p[3]}})
		}
		return cs
	}
}

// batchNormGradReference is the gradient with 1/deviation invstd, of
// statistics that depend on x or do not.
func batchNormGradReference(in, out []*tensor.Tensor, invstd func(c int) float64, batch bool) {
	c := in[2].Numel()
	rows := float64(in[1].Shape()[:len(in[1].Shape())-1].Numel())
	hat := func(i int) float64 { return (in[1].At(i) - in[3].At(i%c)) * invstd(i%c) }
	dgamma, dbeta := make([]float64, c), make([]float64, c)
	for i := range in[0].Numel() {
		dgamma[i%c] += in[0].At(i) * hat(i)
		dbeta[i%c] += in[0].At(i)
	}
	for i := range in[0].Numel() {
		d := in[0].At(i)
		if batch {
			d -= dbeta[i%c]/rows + hat(i)*dgamma[i%c]/rows
		}
		Set(out[0], i, in[2].At(i%c)*invstd(i%c)*d)
	}
	setAll(out[1], dgamma)
	setAll(out[2], dbeta)
}
