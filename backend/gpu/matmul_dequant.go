//go:build cuda

package gpu

import "github.com/goqat/goqat/backend"

func init() {
	register(backend.MatMulDequant{}, kernel{module: "matmul_dequant", supports: matricesAt(0, 3), bind: func(k *build, op backend.Op, out, in []*Buffer) error {
		k.halfResults(out)
		return bindCodeMatMul(k, op.(backend.MatMulDequant).MatMul, codeRule{}, out, codeInputs{x: in[0], sx: in[1], zx: in[2], w: in[3], sw: in[4], zw: in[5]})
	}})
}
