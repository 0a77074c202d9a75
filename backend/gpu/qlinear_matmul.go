//go:build cuda

package gpu

import "github.com/goqat/goqat/backend"

func init() {
	register(backend.QLinearMatMul{}, kernel{module: "qlinear_matmul", supports: matricesAt(0, 3), bind: func(k *build, op backend.Op, out, in []*Buffer) error {
		o := op.(backend.QLinearMatMul)
		r := newCodeRule(o.Rule, o.Scheme, unbounded[0], unbounded[1])
		if out[0] != nil || out[1] != nil {
			if err := k.checkZeros(in[0], nil, in[7], r.Lo, r.Hi); err != nil {
				return err
			}
		}
		return bindCodeMatMul(k, o.MatMul, r, out,
			codeInputs{x: in[0], sx: in[1], zx: in[2], w: in[3], sw: in[4], zw: in[5], sy: in[6], zy: in[7]})
	}})
}
