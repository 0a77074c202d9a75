//go:build cuda

package gpu

import "github.com/goqat/goqat/backend"

func init() {
	register(backend.QuantizeLinear{}, kernel{module: "quantize_linear", types: halves, bind: func(k *build, op backend.Op, out, in []*Buffer) error {
		o := op.(backend.QuantizeLinear)
		q, err := newQuantizer(o.Rule, o.Scheme, in[0].spec.Shape)
		if err != nil {
			return err
		}
		nan, err := k.nanFlag()
		if err != nil {
			return err
		}
		return k.launch(ofReals("quantize_linear", in[0]), k.elementwise(q.n), out[0], out[1], in[0], in[1], in[2], int64(q.n),
			int32(q.layout.Channels), int64(q.layout.Inner), q.rule, q.lo, q.hi, nan)
	}})
}
