package cpu

import (
	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/tensor"
)

func init() {
	register(backend.MatMulDequant{}, kernel{supports: codesAt(0, 3), bind: func(b *Backend, op backend.Op, out, in []*tensor.Tensor) (func() error, error) {
		if out[0] == nil {
			return idle, nil
		}
		s := newMatMulShape(op.(backend.MatMulDequant).MatMul, in[0].Shape(), in[3].Shape())
		return newCodeMatMul(b, s, in[0], in[3], ints(in, 2), ints(in, 5), func(p codeProduct) accEpilogue {
			return dequantEpilogue(p, out[0].F32(), out[0].BF16(), reals(in, 1), reals(in, 4), nil, nil)
		})
	}})
}
