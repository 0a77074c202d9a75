//go:build cuda

package gpu

import (
	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/tensor"
)

func init() {
	register(backend.QLinearGlobalAveragePool{}, kernel{module: "qlinear_global_average_pool", types: codes, bind: func(k *build, op backend.Op, out, in []*Buffer) error {
		o := op.(backend.QLinearGlobalAveragePool)
		s := in[0].spec.Shape
		c, pixels := s.Last(), s[1:len(s)-1].Numel()
		n := s[0] * c
		lo, hi := o.Scheme.Range()
		rest := []any{flag32(in[0].spec.DType == tensor.I8), ruleFlags(o.Rule), int32(o.Rule.Requant), lo, hi}
		if len(in) == 2 {
			if out[0] == nil {
				return nil
			}
			args := []any{out[0], in[0], in[1], int64(n), int64(pixels), int32(c)}
			return k.launch("qlinear_global_average_pool", k.elementwise(n), append(args, rest...)...)
		}
		args := []any{out[0], out[1], in[0], in[1], in[2], in[3], in[4], int64(n), int64(pixels), int32(c), 1 / float32(pixels)}
		return k.launch("qlinear_global_average_pool_rescaled", k.elementwise(n), append(args, rest...)...)
	}})
}
