//go:build cuda

package gpu

import "github.com/goqat/goqat/backend"

func init() {
	register(backend.QLinearMul{}, codePairKernel("qlinear_mul", func(op backend.Op) codePair {
		o := op.(backend.QLinearMul)
		return codePair{o.Rule, o.Scheme, o.Lo, o.Hi}
	}))
}
