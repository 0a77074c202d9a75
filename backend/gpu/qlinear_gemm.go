//go:build cuda

package gpu

import "github.com/goqat/goqat/backend"

func init() {
	register(backend.QLinearGemm{}, kernel{module: "qlinear_conv", supports: codesAt(0, 3), bind: func(k *build, op backend.Op, out, in []*Buffer) error {
		o := op.(backend.QLinearGemm)
		return bindQLinear(k, gemmGeometry(in[0].spec.Shape, in[3].spec.Shape), newCodeRule(o.Rule, o.Scheme, o.Lo, o.Hi), out, in)
	}})
}
