//go:build cuda

package gpu

import "github.com/goqat/goqat/backend"

func init() {
	register(backend.AdamQuantizeWeight{}, kernel{module: "adam_quantize_weight", types: f32, bind: func(k *build, op backend.Op, out, in []*Buffer) error {
		o := op.(backend.AdamQuantizeWeight)
		a := o.Adam
		var decoupled int32
		if a.Decoupled {
			decoupled = 1
		}
		return codedRows(k, "adam_quantize_weight", o.Rule, o.Scheme, out, in[0], in[1], in[2], in[3], in[4], in[5],
			decimal(a.Beta1), decimal(a.Beta2), decimal(a.WeightDecay), float32(decimal(a.Eps)), decoupled)
	}})
}
