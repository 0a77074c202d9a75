//go:build cuda

package gpu

import (
	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/quant"
	"github.com/goqat/goqat/tensor"
)

func init() {
	register(backend.DequantizeLinear{}, kernel{module: "dequantize_linear", types: []tensor.DType{tensor.I8, tensor.U8, tensor.I32},
		bind: func(k *build, op backend.Op, out, in []*Buffer) error {
			q, err := newQuantizer(quant.Rule{}, op.(backend.DequantizeLinear).Scheme, in[0].spec.Shape)
			if err != nil {
				return err
			}
			var zero *Buffer
			if len(in) > 2 {
				zero = in[2]
			}
			name := map[tensor.DType]string{tensor.I8: "dequantize_linear_i8", tensor.U8: "dequantize_linear_u8", tensor.I32: "dequantize_linear_i32"}[in[0].spec.DType]
			return k.launch(ofReals(name, out[0]), k.elementwise(q.n), out[0], in[0], in[1], zero, int64(q.n), int32(q.layout.Channels), int64(q.layout.Inner))
		}})
}
