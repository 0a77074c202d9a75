package cpu

import (
	"math"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/tensor"
)

func init() {
	register(backend.QLinearMatMul{}, kernel{supports: codesAt(0, 3), bind: func(b *Backend, op backend.Op, out, in []*tensor.Tensor) (func() error, error) {
		if out[0] == nil && out[1] == nil {
			return idle, nil
		}
		o := op.(backend.QLinearMatMul)
		q := &requantizer{rule: o.Rule, scheme: o.Scheme, lo: float32(math.Inf(-1)), hi: float32(math.Inf(1)),
			sx: reals(in, 1), sw: reals(in, 4), sy: reals(in, 6), zy: ints(in, 7)}
		s := newMatMulShape(o.MatMul, in[0].Shape(), in[3].Shape())
		return newCodeMatMul(b, s, in[0], in[3], ints(in, 2), ints(in, 5), func(p codeProduct) accEpilogue {
			return q.epilogue(p, out)
		})
	}})
}
