package cpu

import (
	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/tensor"
)

func init() {
	register(backend.QLinearGlobalAveragePool{}, kernel{supports: codesAt(0), bind: func(_ *Backend, op backend.Op, out, in []*tensor.Tensor) (func() error, error) {
		if out[0] == nil {
			return idle, nil
		}
		o := op.(backend.QLinearGlobalAveragePool)
		x := in[0].Shape()
		area := x[1 : len(x)-1].Numel()
		all := []span{{size: area, count: area}}
		one := []span{{size: 1, count: 1}}
		c := x.Last()
		p := &codePool{n: x[0], h: 1, w: area, c: c, oh: 1, ow: 1, strideX: c, rows: one, cols: all, rule: o.Rule, zero: in[1].I32()}
		p.lo, p.hi = o.Scheme.Range()
		if in[0].DType() == tensor.U8 {
			return bindCodePool(p, out[0].U8(), in[0].U8()), nil
		}
		return bindCodePool(p, out[0].I8(), in[0].I8()), nil
	}})
}
