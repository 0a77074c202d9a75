//go:build cuda

package gpu

import (
	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/tensor"
)

func init() {
	register(backend.Increment{}, kernel{module: "increment", types: []tensor.DType{tensor.I64}, bind: func(k *build, _ backend.Op, _, in []*Buffer) error {
		return k.launch("increment", single, in[0], int64(in[0].numel()-1))
	}})
}
