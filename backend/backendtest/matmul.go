package backendtest

import (
	"fmt"
	"math/rand/v2"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/tensor"
)

func init() {
	Register(Conformance{
		Op: backend.MatMul{},
		Cases: func(r *rand.Rand) []Case {
			var cs []Case
			for _, c := range []struct{ leadA, leadB tensor.Shape }{
				{nil, nil}, {tensor.Shape{3}, nil}, {nil, tensor.Shape{5}}, {tensor.Shape{2}, tensor.Shape{2}}, {tensor.Shape{2, 4}, tensor.Shape{2, 4}},
				{tensor.Shape{3, 1, 2}, tensor.Shape{4, 1}}, {tensor.Shape{1, 6}, tensor.Shape{3, 1, 1}}, {tensor.Shape{3}, tensor.Shape{1, 1}}, {tensor.Shape{0}, nil}, {tensor.Shape{2, 0}, tensor.Shape{1}},
			} {
				for t := range 4 {
					for _, s := range [][3]int{{3, 5, 4}, {17, 6, 33}, {4, 0, 3}} {
						op := backend.MatMul{TransA: t&1 > 0, TransB: t&2 > 0}
						a, b := []int{s[0], s[1]}, []int{s[1], s[2]}
						if op.TransA {
							a = []int{s[1], s[0]}
						}
						if op.TransB {
							b = []int{s[2], s[1]}
						}
						cs = append(cs, Case{
							Name: fmt.Sprintf("%v %v %v %d", c.leadA, c.leadB, s, t), Op: op,
							In: []*tensor.Tensor{Normal(r, 1, append(c.leadA.Clone(), a...)...), Normal(r, 1, append(c.leadB.Clone(), b...)...)},
						})
					}
				}
			}
			for _, s := range [][2]tensor.Shape{{{5}, {5}}, {{5}, {5, 3}}, {{4, 5}, {5}}, {{5}, {2, 5, 3}}, {{6, 4, 5}, {5}}, {{200, 70}, {70, 130}}} {
				cs = append(cs, Case{Name: fmt.Sprint(s), Op: backend.MatMul{}, In: []*tensor.Tensor{Normal(r, 1, s[0]...), Normal(r, 1, s[1]...)}})
			}
			return cs
		},
		Ref: func(op backend.Op, in, out []*tensor.Tensor) { matMulReference(op.(backend.MatMul), in, out[0]) },
	})
}

// matMulReference computes every element of the result by its index.
func matMulReference(op backend.MatMul, in []*tensor.Tensor, out *tensor.Tensor) {
	a, b, y := in[0].Shape().Clone(), in[1].Shape().Clone(), out.Shape().Clone()
	if len(b) == 1 {
		b, y = append(b, 1), append(y, 1)
	}
	if len(a) == 1 {
		a = tensor.Shape{1, a[0]}
		y = append(y[:len(y)-1:len(y)-1], 1, y[len(y)-1])
	}
	inner := a[len(a)-1]
	if op.TransA {
		inner = a[len(a)-2]
	}
	element := func(t *tensor.Tensor, s tensor.Shape, index []int, row, col int, trans bool) float64 {
		if trans {
			row, col = col, row
		}
		at := 0
		for i := range len(s) - 2 {
			k := index[len(index)-2-(len(s)-2)+i]
			if s[i] == 1 {
				k = 0
			}
			at = at*s[i] + k
		}
		return t.At((at*s[len(s)-2]+row)*s[len(s)-1] + col)
	}
	index := make([]int, len(y))
	for i := range y.Numel() {
		rest := i
		for d := len(y) - 1; d >= 0; d-- {
			index[d] = rest % y[d]
			rest /= y[d]
		}
		var s float64
		for k := range inner {
			s += element(in[0], a, index, index[len(y)-2], k, op.TransA) * element(in[1], b, index, k, index[len(y)-1], op.TransB)
		}
		Set(out, i, s)
	}
}
