//go:build cuda

package gpu

import "github.com/goqat/goqat/backend"

func init() {
	register(backend.Sigmoid{}, pointwiseOne("sigmoid", "sigmoid"))
	register(backend.SigmoidGrad{}, pointwiseTwo("sigmoid", "sigmoid_grad"))
}
