package cpu

import (
	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/tensor"
)

func init() {
	register(backend.DropoutTrain{}, kernel{types: floats, bind: func(_ *Backend, op backend.Op, out, in []*tensor.Tensor) (func() error, error) {
		o, state := op.(backend.DropoutTrain), in[1].I64()
		var mask func()
		switch {
		case out[0] == nil:
			mask = func() {}
		case in[0].DType() == tensor.F64:
			mask = bindDropout(o.P, o.First, 0, out[0].F64(), in[0].F64(), state)
		default:
			mask = bindDropout(o.P, o.First, 0, out[0].F32(), in[0].F32(), state)
		}
		return func() error {
			mask()
			state[1]++
			return nil
		}, nil
	}})
	register(backend.DropoutGrad{}, kernel{types: floats, bind: func(_ *Backend, op backend.Op, out, in []*tensor.Tensor) (func() error, error) {
		o, state := op.(backend.DropoutGrad), in[1].I64()
		var mask func()
		if in[0].DType() == tensor.F64 {
			mask = bindDropout(o.P, o.First, 1, out[0].F64(), in[0].F64(), state)
		} else {
			mask = bindDropout(o.P, o.First, 1, out[0].F32(), in[0].F32(), state)
		}
		return func() error { mask(); return nil }, nil
	}})
	// In evaluation nothing runs; alone, the operation is a copy.
	register(backend.Dropout{}, viewCopy)
}

// weyl is the step of SplitMix64, 2^64 divided by the golden ratio.
const weyl = 0x9e3779b97f4a7c15

// bindDropout applies the mask of step state[1] - back.
func bindDropout[T float](p float32, first, back int64, y, x []T, state []int64) func() {
	threshold := uint64(float64(p) * (1 << 32))
	var factor [2]T
	if p < 1 {
		factor[1] = T(1 / (1 - float64(p)))
	}
	// The sign of threshold-1-w picks the factor: branches on random bits
	// would be mispredicted.
	below := threshold - 1
	var key uint64
	body := func(lo, hi int) {
		// Tiles start at even elements, so that a word serves two.
		dst, src := y[lo:hi], x[lo:hi]
		k := key + uint64(lo/2)*weyl
		for ; len(src) >= 2 && len(dst) >= 2; src, dst = src[2:], dst[2:] {
			k += weyl
			word := mix64(k)
			dst[0] = src[0] * factor[(below-word&0xffffffff)>>63]
			dst[1] = src[1] * factor[(below-word>>32)>>63]
		}
		if len(src) > 0 {
			dst[0] = src[0] * factor[(below-mix64(k+weyl)&0xffffffff)>>63]
		}
	}
	grain := grainFor(len(x), 3)
	return func() {
		key = mix64(mix64(uint64(state[0]))+uint64(state[1]-back)) + uint64(first/2)*weyl
		parallel(len(x), grain, body)
	}
}

// mix64 is the finalizer of SplitMix64.
func mix64(z uint64) uint64 {
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}
