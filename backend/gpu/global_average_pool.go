//go:build cuda

package gpu

import "github.com/goqat/goqat/backend"

func init() {
	register(backend.GlobalAveragePool{}, kernel{module: "global_average_pool", types: f32, bind: func(k *build, _ backend.Op, out, in []*Buffer) error {
		if in[0].numel() == 0 {
			return nil
		}
		n := out[0].numel()
		return k.launch("global_average_pool", k.elementwise(n), out[0], in[0], int64(n), int64(in[0].numel()/n), int32(in[0].spec.Shape.Last()))
	}})
	register(backend.GlobalAveragePoolGrad{}, kernel{module: "global_average_pool", types: f32, bind: func(k *build, _ backend.Op, out, in []*Buffer) error {
		n := out[0].numel()
		if n == 0 {
			return nil
		}
		return k.launch("global_average_pool_grad", k.elementwise(n), out[0], in[0], int64(n), int64(n/in[0].numel()), int32(out[0].spec.Shape.Last()))
	}})
}
