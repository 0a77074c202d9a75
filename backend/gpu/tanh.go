//go:build cuda

package gpu

import "github.com/goqat/goqat/backend"

func init() {
	register(backend.Tanh{}, pointwiseOne("tanh", "tanh_f32"))
	register(backend.TanhGrad{}, pointwiseTwo("tanh", "tanh_grad"))
}
