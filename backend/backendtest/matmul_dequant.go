package backendtest

import (
	"math/rand/v2"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/tensor"
)

func init() {
	Register(Conformance{
		Op: backend.MatMulDequant{},
		Cases: func(r *rand.Rand) []Case {
			var cs []Case
			for i, g := range matMulGeometries {
				a, b := convCodes(r, convGeometry{x: g.a, w: g.b}, i%2 == 1, i%3 == 1)
				n := 1
				if i%4 == 3 {
					n = g.columns()
				}
				in := []*tensor.Tensor{a, Scales(r, 1), Zeros(r, a.DType(), 1), b, Scales(r, n), Zeros(r, b.DType(), n)}
				cs = append(cs, Case{Name: g.name, Op: backend.MatMulDequant{MatMul: g.op}, In: in, Exact: true})
			}
			return withHalfResults(cs, func(o backend.Op) backend.Op {
				op := o.(backend.MatMulDequant)
				op.Result = tensor.BF16
				return op
			})
		},
		Ref: func(op backend.Op, in, out []*tensor.Tensor) {
			m := op.(backend.MatMulDequant).MatMul
			sums := matMulSums(m, in[0], in[3], in[2], in[5], out[0].Shape())
			refDequantColumns(sums, matMulColumns(m, in[3].Shape()), in[1], in[4], out[0])
		},
	})
}

// matMulColumns returns the columns of a product with right matrix b.
func matMulColumns(op backend.MatMul, b tensor.Shape) int {
	return matMulGeometry{op: op, b: b}.columns()
}

// refDequantColumns is refDequant for results that lack the dimension of a
// single column.
func refDequantColumns(sums []int64, n int, sx, sw, out *tensor.Tensor) {
	for i, s := range sums {
		Set(out, i, float64(float32(int32(s))*(sx.F32()[0]*scale(sw, i%n))))
	}
}
