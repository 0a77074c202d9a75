//go:build cuda

package gpu

import (
	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/cuda"
)

func init() {
	register(backend.QuantizeWeight{}, kernel{module: "quantize_weight", types: f32, bind: bindQuantizeWeight})
}

func bindQuantizeWeight(k *build, op backend.Op, out, in []*Buffer) error {
	o := op.(backend.QuantizeWeight)
	q, err := newQuantizer(o.Rule, o.Scheme, in[0].spec.Shape)
	if err != nil {
		return err
	}
	bad, err := k.nanFlag()
	if err != nil {
		return err
	}
	ends, err := observeEnds(k, in[0], q.layout, bad)
	if err != nil {
		return err
	}
	c := q.layout.Channels
	next, err := k.temporary(int64(16 * c))
	if err != nil {
		return err
	}
	scale, zero := next+cuda.Ptr(8*c), next+cuda.Ptr(12*c)
	args := append([]any{next, zero, in[1], in[2], ends, int32(c), o.Momentum}, scaleArguments(o.Rule, o.Scheme)...)
	if err := k.launch("quantize_weight_next", perChannel(c), append(args, bad)...); err != nil {
		return err
	}
	// NaNs are counted already.
	none, err := k.temporary(4)
	if err != nil {
		return err
	}
	if err := k.launchFrom("quantize_linear", "quantize_linear", k.elementwise(q.n), out[0], out[1], in[0], scale, zero, int64(q.n),
		int32(c), int64(q.layout.Inner), q.rule, q.lo, q.hi, none); err != nil {
		return err
	}
	return k.launch("quantize_weight_commit", perChannel(c), in[1], in[2], in[3], in[4], next, zero, int32(c), bad)
}
