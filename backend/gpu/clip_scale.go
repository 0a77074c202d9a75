//go:build cuda

package gpu

import "github.com/goqat/goqat/backend"

func init() {
	register(backend.ClipScale{}, kernel{module: "clip_scale", types: f32, bind: func(k *build, op backend.Op, out, in []*Buffer) error {
		return k.launch("clip_scale", single, out[0], in[0], decimal(op.(backend.ClipScale).Max))
	}})
}
