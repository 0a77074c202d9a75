//go:build cuda

package gpu

import "github.com/goqat/goqat/backend"

func init() {
	register(backend.HardSigmoid{}, pointwiseOne("hard_sigmoid", "hard_sigmoid"))
	register(backend.HardSigmoidGrad{}, pointwiseTwo("hard_sigmoid", "hard_sigmoid_grad"))
}
