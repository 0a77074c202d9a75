//go:build cuda

package gpu

import (
	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/quant"
	"github.com/goqat/goqat/tensor"
)

func init() {
	register(backend.FoldBatchNorm{}, kernel{module: "fold_batch_norm", types: []tensor.DType{tensor.I8}, bind: func(k *build, op backend.Op, out, in []*Buffer) error {
		o, channels := op.(backend.FoldBatchNorm), in[0].spec.Shape[0]
		bad, err := k.nanFlag()
		if err != nil {
			return err
		}
		sign, err := k.temporary(int64(channels))
		if err != nil {
			return err
		}
		at := func(i int) *Buffer {
			if i < len(in) {
				return in[i]
			}
			return nil
		}
		if err := k.launch("fold_batch_norm", perChannel(channels), out[1], out[2], sign, in[1], int32(in[1].numel()), in[2], at(3), at(4), at(5),
			at(6), at(7), int32(channels), o.Eps, flag32(o.Rule.Rounding == quant.HalfAway), bad); err != nil || out[0] == nil {
			return err
		}
		n := in[0].numel()
		return k.launch("fold_batch_norm_codes", k.elementwise(n), out[0], in[0], sign, int64(n), int64(n/max(channels, 1)))
	}})
	register(backend.FoldBatchNormGrad{}, kernel{module: "fold_batch_norm", supports: func(_ backend.Op, in []tensor.Spec) bool {
		return len(in) > 2 && in[2].DType == tensor.I8
	}, bind: func(k *build, op backend.Op, out, in []*Buffer) error {
		channels := in[2].spec.Shape[0]
		return k.launch("fold_batch_norm_grad", blocks(channels), out[0], out[1], out[2], out[3], in[0], in[1], in[2], in[3], int32(in[3].numel()),
			in[4], in[5], in[6], in[7], int64(in[2].numel()/max(channels, 1)), op.(backend.FoldBatchNormGrad).Eps)
	}})
}
