package cpu

import (
	"fmt"
	"math"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/quant"
	"github.com/goqat/goqat/tensor"
)

func init() {
	register(backend.FoldBatchNorm{}, kernel{supports: codesAt(0), bind: func(_ *Backend, op backend.Op, out, in []*tensor.Tensor) (func() error, error) {
		return bindFold(op.(backend.FoldBatchNorm), out, in), nil
	}})
	register(backend.FoldBatchNormGrad{}, kernel{supports: codesAt(2), bind: func(_ *Backend, op backend.Op, out, in []*tensor.Tensor) (func() error, error) {
		return bindFoldGrad(op.(backend.FoldBatchNormGrad), out, in), nil
	}})
}

// minNormal is the smallest normal float32.
const minNormal = 0x1p-126

// fold is the batch normalization of one layer.
type fold struct {
	op                                backend.FoldBatchNorm
	w, outW                           []int8
	sw, sx                            []float32
	bias, gamma, beta, mean, variance []float32
	outScale                          []float32
	outBias                           []int32
	sign                              []int8
}

func bindFold(op backend.FoldBatchNorm, out, in []*tensor.Tensor) func() error {
	o := in[0].Shape()[0]
	f := &fold{op: op, w: in[0].I8(), sw: in[1].F32(), sx: in[2].F32(), bias: reals(in, 3), gamma: reals(in, 4), beta: reals(in, 5),
		mean: reals(in, 6), variance: reals(in, 7), outScale: make([]float32, o), outBias: make([]int32, o), sign: make([]int8, o)}
	if out[0] != nil {
		f.outW = out[0].I8()
	}
	if out[1] != nil {
		f.outScale = out[1].F32()
	}
	if out[2] != nil {
		f.outBias = out[2].I32()
	}
	k := len(f.w) / max(o, 1)
	body := func(lo, hi int) {
		for c := lo; c < hi; c++ {
			f.codes(f.outW[c*k:(c+1)*k], f.w[c*k:(c+1)*k], f.sign[c])
		}
	}
	return func() error {
		for c := range o {
			if err := f.channel(c); err != nil {
				return fmt.Errorf("cpu: channel %d: %w", c, err)
			}
		}
		if f.outW != nil {
			parallel(o, max(1, 1<<16/max(k, 1)), body)
		}
		return nil
	}
}

// channel computes sign, scale and bias of channel c. float64 conversions
// keep the compiler from fusing products and sums.
func (f *fold) channel(c int) error {
	scale := float64(f.sw[min(c, len(f.sw)-1)])
	var b float64
	if f.bias != nil {
		b = float64(f.bias[c])
	}
	a := 1.0
	if f.gamma != nil {
		a = float64(f.gamma[c]) / math.Sqrt(float64(f.variance[c])+float64(f.op.Eps))
		b = float64(f.beta[c]) + float64((b-float64(f.mean[c]))*a)
	}
	if a != a || b != b || scale != scale || math.IsInf(a, 0) || math.IsInf(b, 0) {
		return fmt.Errorf("factor %v, bias %v, scale %v: %w", a, b, scale, backend.ErrNaN)
	}
	f.sign[c] = 1
	if a < 0 {
		f.sign[c] = -1
	}
	s := float64(scale * math.Abs(a))
	grid := float64(f.sx[0])
	if s < minNormal || math.Abs(b) >= float64(float64(grid*s)*backend.MaxFoldedBias) {
		f.sign[c] = 0
		s = max(minNormal, math.Abs(b)/float64(grid*backend.ConstantBias))
	}
	f.outScale[c] = float32(s)
	if math.IsInf(float64(f.outScale[c]), 0) {
		return fmt.Errorf("scale %v: %w", s, quant.ErrRange)
	}
	v, err := f.op.Rule.QuantizeBias(b, f.sx[0], f.outScale[c])
	f.outBias[c] = v
	return err
}

// codes multiplies codes by a sign.
func (f *fold) codes(dst, src []int8, sign int8) {
	switch sign {
	case 0:
		clear(dst)
	case 1:
		copy(dst, src)
	default:
		dst = dst[:len(src)]
		for i, v := range src {
			dst[i] = -max(v, -127)
		}
	}
}

func bindFoldGrad(op backend.FoldBatchNormGrad, out, in []*tensor.Tensor) func() error {
	dwOut, dbOut := reals(in, 0), reals(in, 1)
	w, sw, bias, gamma, mean, variance := in[2].I8(), in[3].F32(), reals(in, 4), in[5].F32(), in[6].F32(), in[7].F32()
	o := in[2].Shape()[0]
	k := len(w) / max(o, 1)
	dw, dbias, dgamma, dbeta := reals(out, 0), reals(out, 1), reals(out, 2), reals(out, 3)
	body := func(lo, hi int) {
		for c := lo; c < hi; c++ {
			inv := 1 / math.Sqrt(float64(variance[c])+float64(op.Eps))
			a := float64(float64(gamma[c]) * inv)
			var db, center, sum float64
			if dbOut != nil {
				db = float64(dbOut[c])
			}
			if bias != nil {
				center = float64(bias[c])
			}
			center -= float64(mean[c])
			if dwOut != nil && dgamma != nil {
				wc := w[c*k : (c+1)*k]
				for i, d := range dwOut[c*k : (c+1)*k] {
					sum += float64(float64(d) * float64(wc[i]))
				}
				sum = float64(sum * float64(sw[min(c, len(sw)-1)]))
			}
			if dw != nil && dwOut != nil {
				scaled(dw[c*k:(c+1)*k], dwOut[c*k:(c+1)*k], float32(a))
			} else if dw != nil {
				clear(dw[c*k : (c+1)*k])
			}
			if dbias != nil {
				dbias[c] = float32(db * a)
			}
			if dgamma != nil {
				dgamma[c] = float32(float64(inv * (sum + float64(db*center))))
			}
			if dbeta != nil {
				dbeta[c] = float32(db)
			}
		}
	}
	return func() error { parallel(o, max(1, 1<<14/max(k, 1)), body); return nil }
}

// scaled writes x * a to dst.
func scaled(dst, x []float32, a float32) {
	dst = dst[:len(x)]
	for i, v := range x {
		dst[i] = v * a
	}
}
