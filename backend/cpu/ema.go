package cpu

import (
	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/tensor"
)

func init() {
	register(backend.EMA{}, kernel{types: floats, bind: func(_ *Backend, op backend.Op, _, in []*tensor.Tensor) (func() error, error) {
		take := 1 - decimal(op.(backend.EMA).Decay)
		if in[0].DType() == tensor.F64 {
			return bindEMA(take, in[0].F64(), in[1].F64()), nil
		}
		return bindEMA(float32(take), in[0].F32(), in[1].F32()), nil
	}})
}

// bindEMA works on the input, which the output is.
func bindEMA[T float](take T, average, value []T) func() error {
	grain := grainFor(len(average), 1)
	body := func(lo, hi int) {
		a, x := average[lo:hi], value[lo:hi]
		for i, v := range x {
			a[i] += T(take * (v - a[i]))
		}
	}
	return func() error { parallel(len(average), grain, body); return nil }
}
