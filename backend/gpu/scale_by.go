//go:build cuda

package gpu

import "github.com/goqat/goqat/backend"

func init() {
	register(backend.ScaleBy{}, kernel{module: "scale_by", types: f32, bind: func(k *build, _ backend.Op, out, in []*Buffer) error {
		n := in[0].numel()
		return k.launch("scale_by", k.elementwise(n), out[0], in[0], in[1], int64(n))
	}})
}
