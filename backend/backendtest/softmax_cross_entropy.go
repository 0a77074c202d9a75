package backendtest

import (
	"fmt"
	"math"
	"math/rand/v2"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/tensor"
)

func crossEntropyShapes() [][]int {
	return [][]int{{1, 10}, {67, 10}, {300, 3}, {5, 1000}, {2, 3, 4}, {7, 1}}
}

func init() {
	Register(Conformance{
		Op: backend.SoftmaxCrossEntropy{},
		Cases: func(r *rand.Rand) []Case {
			var cs []Case
			for _, s := range crossEntropyShapes() {
				for _, eps := range []float32{0, 0.1, 1} {
					x := Normal(r, 3, s...)
					in := []*tensor.Tensor{x, Ints(r, tensor.I32, 0, s[len(s)-1]-1, s[:len(s)-1]...)}
					op := backend.SoftmaxCrossEntropy{Smoothing: eps}
					cs = append(cs,
						Case{Name: fmt.Sprintf("%v/smoothing=%v", s, eps), Op: op, In: in},
						Case{Name: fmt.Sprintf("double/%v/smoothing=%v", s, eps), Op: op, In: []*tensor.Tensor{Double(x), in[1]}})
				}
			}
			op := backend.SoftmaxCrossEntropy{}
			big := tensor.FromF32([]float32{1000, -1000, 3, 1000, 999, 998}, 2, 3)
			nan := tensor.FromF32([]float32{1, float32(math.NaN()), 3, 1, 2, 3}, 2, 3)
			l := func(v ...int32) *tensor.Tensor { return tensor.FromI32(v, len(v)) }
			return append(cs,
				Case{Name: "extreme", Op: op, In: []*tensor.Tensor{big, l(1, 2)}},
				Case{Name: "nan", Op: op, In: []*tensor.Tensor{nan, l(1, 2)}},
				Case{Name: "no rows", Op: op, In: []*tensor.Tensor{Normal(r, 1, 0, 3), l()}},
				Case{Name: "label 3", Op: op, In: []*tensor.Tensor{big, l(1, 3)}, Err: backend.ErrIndex},
				Case{Name: "label -1", Op: op, In: []*tensor.Tensor{big, l(-1, 0)}, Err: backend.ErrIndex})
		},
		Ref: func(op backend.Op, in, out []*tensor.Tensor) {
			softmaxInto(out[1], in[0], -1, false)
			logp := tensor.New(tensor.Spec{DType: tensor.F64, Shape: in[0].Shape()})
			softmaxInto(logp, in[0], -1, true)
			c, eps := in[0].Shape().Last(), float64(op.(backend.SoftmaxCrossEntropy).Smoothing)
			var loss float64
			for r := range in[1].Numel() {
				loss -= (1 - eps) * logp.At(r*c+int(in[1].At(r)))
				for i := range c {
					if eps != 0 {
						loss -= eps / float64(c) * logp.At(r*c+i)
					}
				}
			}
			Set(out[0], 0, loss/float64(in[1].Numel()))
		},
	})
	Register(Conformance{
		Op: backend.SoftmaxCrossEntropyTrain{},
		Cases: func(r *rand.Rand) []Case {
			var cs []Case
			for _, s := range append(crossEntropyShapes(), []int{3, 2}, []int{2, 4097}, []int{1, 50257}) {
				for _, eps := range []float32{0, 0.1, 1} {
					x := Normal(r, 3, s...)
					in := []*tensor.Tensor{x, Ints(r, tensor.I32, 0, s[len(s)-1]-1, s[:len(s)-1]...)}
					op := backend.SoftmaxCrossEntropyTrain{Smoothing: eps}
					cs = append(cs,
						Case{Name: fmt.Sprintf("%v/smoothing=%v", s, eps), Op: op, In: in},
						Case{Name: fmt.Sprintf("double/%v/smoothing=%v", s, eps), Op: op, In: []*tensor.Tensor{Double(x), in[1]}})
				}
			}
			op := backend.SoftmaxCrossEntropyTrain{}
			inf := float32(math.Inf(1))
			big := tensor.FromF32([]float32{1000, -1000, 3, 1000, 999, 998}, 2, 3)
			nan := tensor.FromF32([]float32{1, float32(math.NaN()), 3, 1, 2, 3}, 2, 3)
			l := func(v ...int32) *tensor.Tensor { return tensor.FromI32(v, len(v)) }
			return append(cs,
				Case{Name: "extreme", Op: op, In: []*tensor.Tensor{big, l(1, 2)}},
				Case{Name: "nan", Op: op, In: []*tensor.Tensor{nan, l(1, 2)}},
				Case{Name: "inf", Op: op, In: []*tensor.Tensor{tensor.FromF32([]float32{1, inf, 3, 1, 2, 3}, 2, 3), l(1, 2)}},
				Case{Name: "-inf", Op: op, In: []*tensor.Tensor{tensor.FromF32([]float32{1, -inf, 3, 1, 2, 3}, 2, 3), l(0, 2)}},
				Case{Name: "-inf of the label", Op: op, In: []*tensor.Tensor{tensor.FromF32([]float32{1, -inf, 3, 1, 2, 3}, 2, 3), l(1, 2)}},
				Case{Name: "no rows", Op: op, In: []*tensor.Tensor{Normal(r, 1, 0, 3), l()}},
				Case{Name: "label 3", Op: op, In: []*tensor.Tensor{big, l(1, 3)}, Err: backend.ErrIndex},
				Case{Name: "label -1", Op: op, In: []*tensor.Tensor{big, l(-1, 0)}, Err: backend.ErrIndex})
		},
		Ref: func(op backend.Op, in, out []*tensor.Tensor) {
			eps := op.(backend.SoftmaxCrossEntropyTrain).Smoothing
			p := tensor.New(tensor.Spec{DType: tensor.F64, Shape: in[0].Shape()})
			registered["softmax_cross_entropy"].Ref(backend.SoftmaxCrossEntropy{Smoothing: eps}, in, []*tensor.Tensor{out[0], p})
			registered["softmax_cross_entropy_grad"].Ref(backend.SoftmaxCrossEntropyGrad{Smoothing: eps},
				[]*tensor.Tensor{tensor.FromF32([]float32{1}), p, in[1]}, []*tensor.Tensor{out[1]})
		},
	})
	Register(Conformance{
		Op: backend.SoftmaxCrossEntropyGrad{},
		Cases: func(r *rand.Rand) []Case {
			var cs []Case
			for _, s := range crossEntropyShapes() {
				for _, eps := range []float32{0, 0.1} {
					p := tensor.New(tensor.Of(tensor.F32, s...))
					softmaxInto(p, Normal(r, 3, s...), -1, false)
					in := []*tensor.Tensor{Normal(r, 1), p, Ints(r, tensor.I32, 0, s[len(s)-1]-1, s[:len(s)-1]...)}
					cs = append(cs, Case{Name: fmt.Sprintf("%v/smoothing=%v", s, eps), Op: backend.SoftmaxCrossEntropyGrad{Smoothing: eps}, In: in})
				}
			}
			return cs
		},
		Ref: func(op backend.Op, in, out []*tensor.Tensor) {
			c, eps := in[1].Shape().Last(), float64(op.(backend.SoftmaxCrossEntropyGrad).Smoothing)
			for i := range in[1].Numel() {
				t := eps / float64(c)
				if int(in[2].At(i/c)) == i%c {
					t += 1 - eps
				}
				Set(out[0], i, in[0].At(0)/float64(in[2].Numel())*(in[1].At(i)-t))
			}
		},
	})
}
