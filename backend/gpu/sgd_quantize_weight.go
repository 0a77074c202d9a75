//go:build cuda

package gpu

import "github.com/goqat/goqat/backend"

func init() {
	register(backend.SGDQuantizeWeight{}, kernel{module: "sgd_quantize_weight", types: f32, bind: func(k *build, op backend.Op, out, in []*Buffer) error {
		o := op.(backend.SGDQuantizeWeight)
		var nesterov int32
		if o.SGD.Nesterov {
			nesterov = 1
		}
		return codedRows(k, "sgd_quantize_weight", o.Rule, o.Scheme, out, in[0], in[1], in[2], in[3], in[4],
			float32(decimal(o.SGD.Momentum)), float32(decimal(o.SGD.WeightDecay)), nesterov)
	}})
}
