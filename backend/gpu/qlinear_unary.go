//go:build cuda

package gpu

import (
	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/tensor"
)

func init() {
	register(backend.QLinearUnary{}, kernel{module: "qlinear_unary", types: codes, bind: func(k *build, op backend.Op, out, in []*Buffer) error {
		o := op.(backend.QLinearUnary)
		lo, hi := o.Scheme.Range()
		return codeTable(k, "qlinear_unary_table", "qlinear_unary", out, in, ruleFlags(o.Rule), int32(o.Func), float64(o.Alpha), lo, hi)
	}})
	register(backend.QLinearUnaryGrad{}, kernel{module: "qlinear_unary", types: f32, bind: func(k *build, op backend.Op, out, in []*Buffer) error {
		o := op.(backend.QLinearUnaryGrad)
		slopes, err := k.temporary(4 * 256)
		if err != nil {
			return err
		}
		if err := k.launch("qlinear_unary_grad_table", oneBlock, slopes, in[2], in[3], flag32(in[1].spec.DType == tensor.I8), int32(o.Func),
			float64(o.Alpha)); err != nil {
			return err
		}
		n := in[0].numel()
		return k.launch("qlinear_unary_grad", k.elementwise(n), out[0], in[0], in[1], slopes, int64(n))
	}})
}
