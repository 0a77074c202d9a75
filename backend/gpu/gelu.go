//go:build cuda

package gpu

import "github.com/goqat/goqat/backend"

func init() {
	register(backend.Gelu{}, kernel{module: "gelu", types: f32, bind: func(k *build, op backend.Op, out, in []*Buffer) error {
		name := "gelu"
		if op.(backend.Gelu).Tanh {
			name = "gelu_tanh"
		}
		n := in[0].numel()
		return k.launch(name, k.elementwise(n), out[0], in[0], int64(n))
	}})
	register(backend.GeluGrad{}, kernel{module: "gelu", types: f32, bind: func(k *build, op backend.Op, out, in []*Buffer) error {
		name := "gelu_grad"
		if op.(backend.GeluGrad).Tanh {
			name = "gelu_tanh_grad"
		}
		n := in[0].numel()
		return k.launch(name, k.elementwise(n), out[0], in[0], in[1], int64(n))
	}})
}
