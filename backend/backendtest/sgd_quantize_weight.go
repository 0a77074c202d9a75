package backendtest

import (
	"fmt"
	"math/rand/v2"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/quant"
	"github.com/goqat/goqat/tensor"
)

func init() {
	Register(Conformance{
		Op: backend.SGDQuantizeWeight{},
		Cases: func(r *rand.Rand) []Case {
			var cs []Case
			for _, sgd := range []backend.SGD{{}, {WeightDecay: 0.25}, {Momentum: 0.5}, {Momentum: 0.5, WeightDecay: 0.25, Nesterov: true}} {
				for _, s := range weightSchemes() {
					for _, shape := range codedShapes(s) {
						op := backend.SGDQuantizeWeight{SGD: sgd, Rule: quant.PyTorch, Scheme: s}
						in := []*tensor.Tensor{dyadic(r, shape), dyadic(r, shape), nil, rateOf(0.125), nil}
						if sgd.Momentum != 0 {
							in[2] = dyadic(r, shape)
							if sgd.Nesterov {
								in[4] = rateOf(0.75)
							}
						}
						cs = append(cs, Case{Name: fmt.Sprint(sgd, s, shape), Op: op, In: append(in, codedOutputs(s, in[0])...), Exact: true})
					}
				}
			}
			in := []*tensor.Tensor{withoutRanges(dyadic(r, []int{9, 33})), dyadic(r, []int{9, 33}), nil, rateOf(0.125), nil}
			return append(cs, Case{Name: "bad", Op: backend.SGDQuantizeWeight{Scheme: quant.Weights(8)}, In: append(in, codedOutputs(quant.Weights(8), in[0])...), Exact: true})
		},
		Ref: func(op backend.Op, in, out []*tensor.Tensor) {
			o := op.(backend.SGDQuantizeWeight)
			n := 5
			if in[4] == nil {
				n = 4
			}
			registered["sgd"].Ref(o.SGD, in[:n], out[3:])
			refWeightCodes(o.Rule, o.Scheme, out[3], out)
		},
	})
}

// dyadic returns values of few bits, for which a step of an optimizer with
// such factors is exact.
func dyadic(r *rand.Rand, shape []int) *tensor.Tensor {
	t := tensor.New(tensor.Of(tensor.F32, shape...))
	for i := range t.F32() {
		t.F32()[i] = float32(r.IntN(1025)-512) / 128
	}
	return t
}

// codedShapes are shapes of parameters of every path: rows of one element, of
// less and more than a warp, a block or a cache, and of odd lengths.
func codedShapes(s quant.Scheme) [][]int {
	if s.Grain.Kind == quant.PerGroup {
		return [][]int{{9, 48}, {70, 648}}
	}
	return [][]int{{2, 1}, {5, 7}, {9, 3, 3, 5}, {16, 240}, {70, 648}, {37, 1031}, {3, 20001}}
}

// codedOutputs returns the codes, least and greatest of the step before, in
// which nothing may be taken for those of this one.
func codedOutputs(s quant.Scheme, x *tensor.Tensor) []*tensor.Tensor {
	n := s.Params(x.Shape())
	codes, lo, hi := tensor.New(tensor.Spec{DType: s.DType(), Shape: x.Shape()}), tensor.New(tensor.Of(tensor.F32, n)), tensor.New(tensor.Of(tensor.F32, n))
	for i := range codes.Bytes() {
		codes.Bytes()[i] = 0x5a
	}
	for c := range n {
		lo.F32()[c], hi.F32()[c] = -1e30, 1e30
	}
	return []*tensor.Tensor{codes, lo, hi}
}
