//go:build cuda

package gpu

import "github.com/goqat/goqat/backend"

func init() {
	register(backend.Relu{}, kernel{module: "relu", types: f32, bind: func(k *build, _ backend.Op, out, in []*Buffer) error {
		n := in[0].numel()
		return k.launch("relu", k.elementwise(n), out[0], in[0], int64(n))
	}})
	register(backend.ReluGrad{}, kernel{module: "relu", types: f32, bind: func(k *build, _ backend.Op, out, in []*Buffer) error {
		n := in[0].numel()
		return k.launch("relu_grad", k.elementwise(n), out[0], in[0], in[1], int64(n))
	}})
}
