package cpu

import (
	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/backend/cpu/internal/codes"
	"github.com/goqat/goqat/quant"
	"github.com/goqat/goqat/tensor"
)

func init() {
	register(backend.DequantizeLinear{}, kernel{types: []tensor.DType{tensor.I8, tensor.U8, tensor.I32},
		bind: func(_ *Backend, op backend.Op, out, in []*tensor.Tensor) (func() error, error) {
			var zero *tensor.Tensor
			if len(in) > 2 {
				zero = in[2]
			}
			q, err := newQuantizer(quant.Rule{}, op.(backend.DequantizeLinear).Scheme, in[0].Shape(), in[1], zero)
			if err != nil {
				return nil, err
			}
			y := out[0].F32()
			var body func(lo, hi int)
			switch in[0].DType() {
			case tensor.I32:
				body = dequantizeInt32(q, y, in[0].I32())
			case tensor.I8:
				body = dequantizeCodes(q, y, in[0].I8())
			default:
				body = dequantizeCodes(q, y, in[0].U8())
			}
			grain := grainFor(q.n, 1)
			return func() error { parallel(q.n, grain, body); return nil }, nil
		}})
}

func dequantizeCodes[T quant.Code](q *quantizer, y []float32, x []T) func(lo, hi int) {
	return func(lo, hi int) { codes.DequantizeCodes(y, x, q.scale, q.zero, q.layout, lo, hi) }
}

func dequantizeInt32(q *quantizer, y []float32, acc []int32) func(lo, hi int) {
	l := q.layout
	return func(lo, hi int) {
		for i := lo; i < hi; {
			c := i / l.Inner % l.Channels
			end := min((i/l.Inner+1)*l.Inner, hi)
			for ; i < end; i++ {
				y[i] = quant.Dequantize(acc[i], q.zero[c], q.scale[c])
			}
		}
	}
}
