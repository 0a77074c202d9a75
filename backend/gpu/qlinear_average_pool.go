//go:build cuda

package gpu

import (
	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/tensor"
)

func init() {
	register(backend.QLinearAveragePool{}, kernel{module: "qlinear_average_pool", types: codes, bind: func(k *build, op backend.Op, out, in []*Buffer) error {
		if out[0] == nil {
			return nil
		}
		o := op.(backend.QLinearAveragePool)
		x, y, n := in[0].spec.Shape, out[0].spec.Shape, out[0].numel()
		bottom, right := after(o.Window, len(x))
		lo, hi := o.Scheme.Range()
		args := append([]any{out[0], in[0], in[1], int64(n)}, window(o.Window, o.Kernel, x, y)...)
		return k.launch("qlinear_average_pool", k.elementwise(n), append(args, bottom, right, flag32(o.CountPad), flag32(in[0].spec.DType == tensor.I8),
			ruleFlags(o.Rule), int32(o.Rule.Requant), lo, hi)...)
	}})
}
