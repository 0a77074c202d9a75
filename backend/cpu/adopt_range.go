package cpu

import (
	"fmt"
	"math"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/quant"
	"github.com/goqat/goqat/tensor"
)

func init() {
	register(backend.AdoptRange{}, kernel{types: []tensor.DType{tensor.F32}, bind: func(_ *Backend, op backend.Op, _, in []*tensor.Tensor) (func() error, error) {
		o := op.(backend.AdoptRange)
		least, most := in[0].F32(), in[1].F32()
		lo, hi, scale, zero := in[2].F32(), in[3].F32(), in[4].F32(), in[5].I32()
		nextScale, nextZero := make([]float32, len(scale)), make([]int32, len(zero))
		var fault firstFault
		return func() error {
			for c, m := range least {
				if M := most[c]; m != m || M != M {
					return fmt.Errorf("cpu: observed values: %w", backend.ErrNaN)
				}
			}
			fault.clear()
			for c, m := range least {
				M := most[c]
				var err error
				if math.IsInf(float64(m), 0) || math.IsInf(float64(M), 0) {
					err = fmt.Errorf("%w: observed values reach from %v to %v", quant.ErrRange, m, M)
				} else {
					nextScale[c], nextZero[c], err = o.Rule.ScaleZero(o.Scheme, m, M)
				}
				if err != nil {
					fault.set(c, err)
					return fault.get()
				}
			}
			copy(lo, least)
			copy(hi, most)
			copy(scale, nextScale)
			copy(zero, nextZero)
			return nil
		}, nil
	}})
}
