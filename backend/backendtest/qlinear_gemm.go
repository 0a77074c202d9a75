package backendtest

import (
	"math/rand/v2"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/tensor"
)

func init() {
	Register(Conformance{
		Op: backend.QLinearGemm{},
		Cases: func(r *rand.Rand) []Case {
			var cs []Case
			for i, g := range gemmGeometries {
				for j, e := range qlinearEpilogues {
					x, w := convCodes(r, g, (i+j)%2 == 1, j == 4)
					op := backend.QLinearGemm{Rule: e.rule, Scheme: e.scheme, Lo: e.lo, Hi: e.hi}
					cs = append(cs, Case{Name: g.name, Op: op, In: qlinearInputs(r, x, w, e.scheme, i+j)})
				}
			}
			return append(cs, nanScale(cs[0]), foreignZero(cs[0], 2, 0), foreignZero(cs[1], 7, 8))
		},
		Ref: func(op backend.Op, in, out []*tensor.Tensor) {
			o := op.(backend.QLinearGemm)
			refRequantize(o.Rule, o.Scheme, o.Lo, o.Hi, gemmSums(in[0], in[3], in[2], in[5]), in[1], in[4], in[6], in[7], input(in, 8), out)
		},
	})
}
