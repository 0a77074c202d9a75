//go:build cuda

package gpu

import (
	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/tensor"
)

func init() {
	register(backend.ScaleSearch{}, kernel{module: "scale_search", types: []tensor.DType{tensor.I64}, bind: func(k *build, op backend.Op, _, in []*Buffer) error {
		o, bins := op.(backend.ScaleSearch), in[0].numel()
		bad, err := k.nanFlag()
		if err != nil {
			return err
		}
		work, err := k.temporary(int64(3 * 8 * bins))
		if err != nil {
			return err
		}
		lo, hi := o.Scheme.Range()
		args := []any{in[2], in[3], in[0], in[1], int32(bins), work, int32(o.Method), float64(o.Percentile), lo, hi}
		return k.launch("scale_search", oneBlock, append(append(args, scaleArguments(o.Rule, o.Scheme)...), bad)...)
	}})
}
