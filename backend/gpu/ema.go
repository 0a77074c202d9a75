//go:build cuda

package gpu

import "github.com/goqat/goqat/backend"

func init() {
	register(backend.EMA{}, kernel{module: "ema", types: f32, bind: func(k *build, op backend.Op, _, in []*Buffer) error {
		n := in[0].numel()
		return k.launch("ema", k.elementwise(n), in[0], in[1], float32(1-decimal(op.(backend.EMA).Decay)), int64(n))
	}})
}
