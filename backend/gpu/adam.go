//go:build cuda

package gpu

import "github.com/goqat/goqat/backend"

func init() {
	register(backend.Adam{}, kernel{module: "adam", types: f32, bind: func(k *build, op backend.Op, _, in []*Buffer) error {
		o, n := op.(backend.Adam), in[0].numel()
		var decoupled int32
		if o.Decoupled {
			decoupled = 1
		}
		return k.launch("adam", k.elementwise(n), in[0], in[1], in[2], in[3], in[4], in[5],
			decimal(o.Beta1), decimal(o.Beta2), decimal(o.WeightDecay), float32(decimal(o.Eps)), decoupled, int64(n))
	}})
}
