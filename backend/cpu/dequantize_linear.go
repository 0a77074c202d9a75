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
			if out[0].DType() == tensor.BF16 {
				return bindDequantizeHalf(q, out[0].BF16(), in[0])
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

// bindDequantizeHalf rounds what it makes of a block in the first-level cache.
func bindDequantizeHalf(q *quantizer, y []tensor.BFloat16, x *tensor.Tensor) (func() error, error) {
	block := func(dst []float32, i, n int) {
		switch x.DType() {
		case tensor.I32:
			dequantizeInts(q, dst, x.I32()[i:i+n], q.layout.From(i), 0, n)
		case tensor.I8:
			codes.DequantizeCodes(dst, x.I8()[i:i+n], q.scale, q.zero, q.layout.From(i), 0, n)
		default:
			codes.DequantizeCodes(dst, x.U8()[i:i+n], q.scale, q.zero, q.layout.From(i), 0, n)
		}
	}
	body := func(lo, hi int) {
		var wide [halfBlock]float32
		for i := lo; i < hi; i += halfBlock {
			n := min(halfBlock, hi-i)
			block(wide[:n], i, n)
			codes.NarrowBF16(y[i:i+n], wide[:n])
		}
	}
	grain := grainFor(q.n, 1)
	return func() error { parallel(q.n, grain, body); return nil }, nil
}

func dequantizeCodes[T quant.Code](q *quantizer, y []float32, x []T) func(lo, hi int) {
	return func(lo, hi int) { codes.DequantizeCodes(y, x, q.scale, q.zero, q.layout, lo, hi) }
}

func dequantizeInt32(q *quantizer, y []float32, acc []int32) func(lo, hi int) {
	return func(lo, hi int) { dequantizeInts(q, y, acc, q.layout, lo, hi) }
}

// dequantizeInts handles elements [lo, hi) of a tensor of layout l.
func dequantizeInts(q *quantizer, y []float32, acc []int32, l quant.Layout, lo, hi int) {
	for i := lo; i < hi; {
		k := (i + l.Skip) / l.Inner
		c := k % l.Channels
		end := min((k+1)*l.Inner-l.Skip, hi)
		for ; i < end; i++ {
			y[i] = quant.Dequantize(acc[i], q.zero[c], q.scale[c])
		}
	}
}
