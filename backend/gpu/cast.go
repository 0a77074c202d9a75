//go:build cuda

package gpu

import (
	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/tensor"
)

func init() {
	register(backend.Cast{}, kernel{module: "cast", types: append([]tensor.DType{tensor.BF16}, castable...), bind: func(k *build, _ backend.Op, out, in []*Buffer) error {
		n := in[0].numel()
		return k.launch("cast_"+suffixes[in[0].spec.DType]+"_"+suffixes[out[0].spec.DType], k.elementwise(n), out[0], in[0], int64(n))
	}})
}
