package cpu

import (
	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/tensor"
)

func init() {
	register(backend.QLinearGemm{}, kernel{supports: codesAt(0, 3), bind: func(b *Backend, op backend.Op, out, in []*tensor.Tensor) (func() error, error) {
		o := op.(backend.QLinearGemm)
		q := &requantizer{rule: o.Rule, scheme: o.Scheme, lo: o.Lo, hi: o.Hi}
		return bindQLinear(b, newGemmShape(in[0].Shape(), in[3].Shape()), q, out, in)
	}})
}
