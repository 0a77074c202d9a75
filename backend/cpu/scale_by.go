package cpu

import (
	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/tensor"
)

func init() {
	register(backend.ScaleBy{}, kernel{types: floats, bind: func(_ *Backend, _ backend.Op, out, in []*tensor.Tensor) (func() error, error) {
		if in[0].DType() == tensor.F64 {
			return bindScaleBy(out[0].F64(), in[0].F64(), in[1].F64()), nil
		}
		return bindScaleBy(out[0].F32(), in[0].F32(), in[1].F32()), nil
	}})
}

func bindScaleBy[T float](y, x, factor []T) func() error {
	grain := grainFor(len(x), 1)
	body := func(lo, hi int) {
		f, dst := factor[0], y[lo:hi]
		for i, v := range x[lo:hi] {
			dst[i] = v * f
		}
	}
	return func() error { parallel(len(x), grain, body); return nil }
}
