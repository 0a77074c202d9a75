//go:build cuda

package gpu

import "github.com/goqat/goqat/backend"

func init() {
	register(backend.MatMulInteger{}, kernel{module: "matmul_integer", supports: matricesAt(0, 1), bind: func(k *build, op backend.Op, out, in []*Buffer) error {
		return bindCodeMatMul(k, op.(backend.MatMulInteger).MatMul, codeRule{}, out, codeInputs{x: in[0], w: in[1], zx: codeAt(in, 2), zw: codeAt(in, 3)})
	}})
}
