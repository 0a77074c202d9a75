//go:build cuda

package gpu

import "github.com/goqat/goqat/backend"

func init() {
	register(backend.QLinearAdd{}, codePairKernel("qlinear_add", func(op backend.Op) codePair {
		o := op.(backend.QLinearAdd)
		return codePair{o.Rule, o.Scheme, o.Lo, o.Hi}
	}))
}
