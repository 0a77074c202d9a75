package backendtest

import (
	"math/rand/v2"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/tensor"
)

func init() {
	Register(Conformance{
		Op: backend.QLinearMatMul{},
		Cases: func(r *rand.Rand) []Case {
			var cs []Case
			for i, g := range matMulGeometries {
				a, b := convCodes(r, convGeometry{x: g.a, w: g.b}, i%2 == 1, i%3 == 1)
				e := qlinearEpilogues[i%len(qlinearEpilogues)]
				n := 1
				if i%4 == 3 {
					n = g.columns()
				}
				in := qlinearInputs(r, a, b, e.scheme, 0)
				in = []*tensor.Tensor{a, in[1], in[2], b, Scales(r, n), Zeros(r, b.DType(), n), in[6], in[7]}
				cs = append(cs, Case{Name: g.name, Op: backend.QLinearMatMul{MatMul: g.op, Rule: e.rule, Scheme: e.scheme}, In: in})
			}
			return append(cs, nanScale(cs[0]), foreignZero(cs[0], 7, 8))
		},
		Ref: func(op backend.Op, in, out []*tensor.Tensor) {
			o := op.(backend.QLinearMatMul)
			sums := matMulSums(o.MatMul, in[0], in[3], in[2], in[5], out[0].Shape())
			lo, hi := o.Scheme.Range()
			n := matMulColumns(o.MatMul, in[3].Shape())
			for i, v := range sums {
				m := o.Rule.NewMultiplier(in[1].F32()[0], scale(in[4], i%n), in[6].F32()[0])
				q, inside := o.Rule.Requantize(int32(v), m, in[7].I32()[0], lo, hi)
				Set(out[0], i, float64(q))
				if inside {
					Set(out[1], i, 1)
				}
			}
		},
	})
}
