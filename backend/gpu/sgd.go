//go:build cuda

package gpu

import "github.com/goqat/goqat/backend"

func init() {
	register(backend.SGD{}, kernel{module: "sgd", types: f32, bind: func(k *build, op backend.Op, _, in []*Buffer) error {
		o, n := op.(backend.SGD), in[0].numel()
		var velocity, moving *Buffer
		if len(in) > 2 {
			velocity = in[2]
		}
		if len(in) > 4 {
			moving = in[4]
		}
		var nesterov int32
		if o.Nesterov {
			nesterov = 1
		}
		return k.launch("sgd", k.elementwise(n), in[0], in[1], velocity, in[3], moving,
			float32(decimal(o.Momentum)), float32(decimal(o.WeightDecay)), nesterov, int64(n))
	}})
}
