//go:build cuda

package gpu

import "github.com/goqat/goqat/backend"

func init() {
	register(backend.QLinearSub{}, codePairKernel("qlinear_sub", func(op backend.Op) codePair {
		o := op.(backend.QLinearSub)
		return codePair{o.Rule, o.Scheme, o.Lo, o.Hi}
	}))
}
