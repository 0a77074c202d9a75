package backendtest

import (
	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/quant"
)

func init() {
	registerCodePair(func(r quant.Rule, s quant.Scheme, lo, hi float32) backend.Op {
		return backend.QLinearSub{Rule: r, Scheme: s, Lo: lo, Hi: hi}
	}, func(op backend.Op) (quant.Rule, quant.Scheme, float32, float32) {
		o := op.(backend.QLinearSub)
		return o.Rule, o.Scheme, o.Lo, o.Hi
	}, func(p codePairParams, a, b int32) (int32, bool) {
		q := p.rule.NewSub(p.sa, p.za, p.sb, p.zb, p.sy, p.zy, p.lo, p.hi)
		return q.Code(a, b)
	}, func(a, b float32) float32 { return a - b })
}
