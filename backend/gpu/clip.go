//go:build cuda

package gpu

import "github.com/goqat/goqat/backend"

func init() {
	register(backend.Clip{}, kernel{module: "clip", types: f32, bind: func(k *build, op backend.Op, out, in []*Buffer) error {
		n, c := in[0].numel(), op.(backend.Clip)
		return k.launch("clip", k.elementwise(n), out[0], in[0], int64(n), c.Lo, c.Hi)
	}})
	register(backend.ClipGrad{}, kernel{module: "clip", types: f32, bind: func(k *build, op backend.Op, out, in []*Buffer) error {
		n, c := in[0].numel(), op.(backend.ClipGrad)
		return k.launch("clip_grad", k.elementwise(n), out[0], in[0], in[1], int64(n), c.Lo, c.Hi)
	}})
}
