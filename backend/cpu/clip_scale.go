package cpu

import (
	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/tensor"
)

func init() {
	register(backend.ClipScale{}, kernel{types: floats, bind: func(_ *Backend, op backend.Op, out, in []*tensor.Tensor) (func() error, error) {
		limit := decimal(op.(backend.ClipScale).Max)
		if in[0].DType() == tensor.F64 {
			return bindClipScale(limit, out[0].F64(), in[0].F64()), nil
		}
		return bindClipScale(limit, out[0].F32(), in[0].F32()), nil
	}})
}

func bindClipScale[T float](limit float64, factor, norm []T) func() error {
	return func() error {
		f := limit / (float64(norm[0]) + 1e-6)
		if f > 1 { // Not min: a NaN must stay visible.
			f = 1
		}
		factor[0] = T(f)
		return nil
	}
}
