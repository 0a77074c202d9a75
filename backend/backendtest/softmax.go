package backendtest

import (
	"fmt"
	"math"
	"math/rand/v2"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/tensor"
)

func softmaxInputs(r *rand.Rand, std float64) map[string]*tensor.Tensor {
	wide := Normal(r, std, 5, 9)
	wide.F32()[3], wide.F32()[20] = 900, -900
	return map[string]*tensor.Tensor{
		"rows": Normal(r, std, 67, 10), "image": Normal(r, std, 2, 3, 4, 5), "vector": Normal(r, std, 1003),
		"extreme": wide, "double": Double(Normal(r, std, 4, 6)), "empty": Normal(r, 1, 0, 5), "no classes": Normal(r, 1, 5, 0),
	}
}

var softmaxNames = []string{"rows", "image", "vector", "extreme", "double", "empty", "no classes"}

func softmaxCases(r *rand.Rand, op func(axis int, log bool) backend.Op, more func(axis int, log bool, x *tensor.Tensor) []*tensor.Tensor) []Case {
	in := softmaxInputs(r, 3)
	var cs []Case
	for _, name := range softmaxNames {
		x := in[name]
		for axis := -len(x.Shape()); axis < len(x.Shape()); axis++ {
			for _, log := range []bool{false, true} {
				cs = append(cs, Case{Name: fmt.Sprintf("%s/axis=%d/log=%v", name, axis, log), Op: op(axis, log), In: more(axis, log, x)})
			}
		}
	}
	return cs
}

// axisLines calls f with the element numbers of each line along an axis.
func axisLines(s tensor.Shape, axis int, f func(line []int)) {
	if axis < 0 {
		axis += len(s)
	}
	for i := range s.Numel() {
		x := indexOf(s, i)
		if x[axis] != 0 {
			continue
		}
		line := make([]int, s[axis])
		for k := range line {
			x[axis] = k
			line[k] = flatOf(s, x)
		}
		f(line)
	}
}

func softmaxInto(y, x *tensor.Tensor, axis int, log bool) {
	axisLines(x.Shape(), axis, func(line []int) {
		m, sum := math.Inf(-1), 0.0
		for _, i := range line {
			m = math.Max(m, x.At(i))
		}
		for _, i := range line {
			sum += math.Exp(x.At(i) - m)
		}
		for _, i := range line {
			if log {
				Set(y, i, x.At(i)-m-math.Log(sum))
			} else {
				Set(y, i, math.Exp(x.At(i)-m)/sum)
			}
		}
	})
}

func init() {
	Register(Conformance{
		Op: backend.Softmax{},
		Cases: func(r *rand.Rand) []Case {
			return softmaxCases(r,
				func(axis int, log bool) backend.Op { return backend.Softmax{Axis: axis, Log: log} },
				func(_ int, _ bool, x *tensor.Tensor) []*tensor.Tensor { return []*tensor.Tensor{x} })
		},
		Ref: func(op backend.Op, in, out []*tensor.Tensor) {
			o := op.(backend.Softmax)
			softmaxInto(out[0], in[0], o.Axis, o.Log)
		},
	})
	Register(Conformance{
		Op: backend.SoftmaxGrad{},
		Cases: func(r *rand.Rand) []Case {
			return softmaxCases(r,
				func(axis int, log bool) backend.Op { return backend.SoftmaxGrad{Axis: axis, Log: log} },
				func(axis int, log bool, x *tensor.Tensor) []*tensor.Tensor {
					dy, y := Normal(r, 1, x.Shape()...), tensor.New(x.Spec())
					if x.DType() == tensor.F64 {
						dy = Double(dy)
					}
					softmaxInto(y, x, axis, log)
					return []*tensor.Tensor{dy, y}
				})
		},
		Ref: func(op backend.Op, in, out []*tensor.Tensor) {
			o := op.(backend.SoftmaxGrad)
			axisLines(in[0].Shape(), o.Axis, func(line []int) {
				var sum float64
				for _, i := range line {
					if o.Log {
						sum += in[0].At(i)
					} else {
						sum += in[0].At(i) * in[1].At(i)
					}
				}
				for _, i := range line {
					if o.Log {
						Set(out[0], i, in[0].At(i)-math.Exp(in[1].At(i))*sum)
					} else {
						Set(out[0], i, in[1].At(i)*(in[0].At(i)-sum))
					}
				}
			})
		},
	})
}
