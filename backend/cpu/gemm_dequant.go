package cpu

import (
	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/tensor"
)

func init() {
	register(backend.GemmDequant{}, kernel{supports: dequantSupports, bind: func(b *Backend, op backend.Op, out, in []*tensor.Tensor) (func() error, error) {
		return bindDequant(b, newGemmShape(in[0].Shape(), in[3].Shape()), op.(backend.GemmDequant).Collect, out, in)
	}})
}
