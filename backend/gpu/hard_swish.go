//go:build cuda

package gpu

import "github.com/goqat/goqat/backend"

func init() {
	register(backend.HardSwish{}, pointwiseOne("hard_swish", "hard_swish"))
	register(backend.HardSwishGrad{}, pointwiseTwo("hard_swish", "hard_swish_grad"))
}
