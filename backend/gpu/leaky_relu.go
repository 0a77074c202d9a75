//go:build cuda

package gpu

import "github.com/goqat/goqat/backend"

func init() {
	register(backend.LeakyRelu{}, kernel{module: "leaky_relu", types: f32, bind: func(k *build, op backend.Op, out, in []*Buffer) error {
		n := in[0].numel()
		return k.launch("leaky_relu", k.elementwise(n), out[0], in[0], int64(n), op.(backend.LeakyRelu).Alpha)
	}})
	register(backend.LeakyReluGrad{}, kernel{module: "leaky_relu", types: f32, bind: func(k *build, op backend.Op, out, in []*Buffer) error {
		n := in[0].numel()
		return k.launch("leaky_relu_grad", k.elementwise(n), out[0], in[0], in[1], int64(n), op.(backend.LeakyReluGrad).Alpha)
	}})
}
