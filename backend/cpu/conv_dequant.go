package cpu

import (
	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/tensor"
)

func init() {
	register(backend.ConvDequant{}, kernel{supports: codesAt(0, 3), bind: func(b *Backend, op backend.Op, out, in []*tensor.Tensor) (func() error, error) {
		return bindDequant(b, newConvShape(op.(backend.ConvDequant).Conv, in[0].Shape(), in[3].Shape()), out, in)
	}})
}

// bindDequant prepares a layer with inputs cx, sx, zx, cw, sw, bias? and a
// float result.
func bindDequant(b *Backend, g convShape, out, in []*tensor.Tensor) (func() error, error) {
	if out[0] == nil {
		return idle, nil
	}
	return newCodeConv(b, g, in[0], in[3], ints(in, 2), nil, func(p codeProduct) accEpilogue {
		return dequantEpilogue(p, out[0].F32(), reals(in, 1), reals(in, 4), reals(in, 5))
	}), nil
}

// dequantEpilogue stores float32(acc) * (sx * sw[c]) + bias[c].
func dequantEpilogue(p codeProduct, y, sx, sw, bias []float32) accEpilogue {
	scale := make([]float32, p.cols)
	if bias == nil {
		bias = make([]float32, p.cols)
	}
	return accEpilogue{
		prepare: func() error {
			for i := range scale {
				s := sw[0]
				if len(sw) > 1 {
					s = sw[i]
				}
				scale[i] = sx[0] * s
			}
			return nil
		},
		finish: func(lo, hi int, acc []int32) {
			offset := p.offset[:len(scale)]
			bias := bias[:len(scale)]
			for r := lo; r < hi; r++ {
				a := acc[(r-lo)*len(scale):][:len(scale)]
				y := y[r*len(scale):][:len(scale)]
				for i, s := range scale {
					y[i] = float32(float32(a[i]+offset[i])*s) + bias[i]
				}
			}
		},
	}
}
