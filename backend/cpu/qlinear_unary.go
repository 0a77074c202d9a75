package cpu

import (
	"math"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/quant"
	"github.com/goqat/goqat/tensor"
)

func init() {
	codes := []tensor.DType{tensor.I8, tensor.U8}
	register(backend.QLinearUnary{}, kernel{types: codes,
		bind: func(_ *Backend, op backend.Op, out, in []*tensor.Tensor) (func() error, error) {
			o := op.(backend.QLinearUnary)
			lo, hi := o.Scheme.Range()
			return bindCodeTable(out, in, func(x, zx int32, sx, sy float32, zy int32) (int32, bool) {
				y := o.Eval(float64(quant.Dequantize(x, zx, sx)))
				return o.Rule.Quantize(float32(y), sy, zy, lo, hi)
			}), nil
		}})
	register(backend.QLinearUnaryGrad{}, kernel{
		supports: func(_ backend.Op, in []tensor.Spec) bool {
			return len(in) == 4 && in[0].DType == tensor.F32 && in[1].DType.Code()
		},
		bind: bindQLinearUnaryGrad})
}

func bindQLinearUnaryGrad(_ *Backend, op backend.Op, out, in []*tensor.Tensor) (func() error, error) {
	o := op.(backend.QLinearUnaryGrad)
	dx, dy, codes, scale, zero := out[0].F32(), in[0].F32(), in[1].Bytes(), in[2].F32(), in[3].I32()
	signed := in[1].DType() == tensor.I8
	var slopes [256]float32
	var s, z uint32
	valid := false
	body := func(lo, hi int) {
		dx, dy, codes := dx[lo:hi], dy[lo:hi], codes[lo:hi]
		dx, dy = dx[:len(codes)], dy[:len(codes)]
		for i, c := range codes {
			dx[i] = dy[i] * slopes[c]
		}
	}
	grain := grainFor(len(dx), 1)
	return func() error {
		if bits := math.Float32bits(scale[0]); !valid || bits != s || uint32(zero[0]) != z {
			for i := range slopes {
				c := int32(i)
				if signed {
					c = int32(int8(i))
				}
				slopes[i] = float32(o.Slope(float64(quant.Dequantize(c, zero[0], scale[0]))))
			}
			s, z, valid = bits, uint32(zero[0]), true
		}
		parallel(len(dx), grain, body)
		return nil
	}, nil
}
