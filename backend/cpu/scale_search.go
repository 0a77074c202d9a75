package cpu

import (
	"fmt"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/quant"
	"github.com/goqat/goqat/tensor"
)

func init() {
	register(backend.ScaleSearch{}, kernel{types: []tensor.DType{tensor.I64}, bind: bindScaleSearch})
}

func bindScaleSearch(_ *Backend, op backend.Op, _, in []*tensor.Tensor) (func() error, error) {
	o := op.(backend.ScaleSearch)
	counts, ends, scale, zero := in[0].I64(), in[1].F32(), in[2].F32(), in[3].I32()
	h := quant.NewRangeSearch(o.Rule, o.Scheme, len(counts))
	return func() error {
		var s float32
		var z int32
		var err error
		switch o.Method {
		case backend.SearchPercentile:
			s, z, err = h.Percentile(counts, ends, float64(o.Percentile))
		case backend.SearchMSE:
			s, z, err = h.MSE(counts, ends)
		default:
			s, z, err = h.Entropy(counts, ends)
		}
		if err != nil {
			return fmt.Errorf("cpu: %w", err)
		}
		scale[0], zero[0] = s, z
		return nil
	}, nil
}
