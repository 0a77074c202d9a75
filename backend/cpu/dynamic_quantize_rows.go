package cpu

import (
	"fmt"
	"sync/atomic"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/backend/cpu/internal/codes"
	"github.com/goqat/goqat/quant"
	"github.com/goqat/goqat/tensor"
)

func init() {
	register(backend.DynamicQuantizeRows{}, kernel{types: halves, bind: bindDynamicQuantizeRows})
}

func bindDynamicQuantizeRows(_ *Backend, op backend.Op, out, in []*tensor.Tensor) (func() error, error) {
	o := op.(backend.DynamicQuantizeRows)
	s := o.Scheme()
	lo, hi := s.Range()
	x, half, n, k := in[0].F32(), in[0].BF16(), in[0].Numel(), in[0].Shape().Last()
	rows := in[0].Shape()[:len(in[0].Shape())-1].Numel()
	y, scales := codesOf[int8](out[0], n), f32Of(out[1], rows)
	var nans, bad atomic.Int64
	row := func(r int, wide *[halfBlock]float32) {
		var least, most float32
		var isNaN bool
		for i := r * k; i < (r+1)*k; i += halfBlock {
			var nan bool
			least, most, nan = codes.Extremes(realBlock(wide[:], x, half, i, min(i+halfBlock, (r+1)*k)), least, most)
			isNaN = isNaN || nan
		}
		if isNaN {
			nans.Add(1)
			return
		}
		m := max(-least, most)
		scale, _, err := o.Rule.ScaleZero(s, -m, m)
		if err != nil {
			bad.Add(1)
			return
		}
		scales[r] = scale
		zero := [1]int32{}
		for i := r * k; i < (r+1)*k; i += halfBlock {
			end := min(i+halfBlock, (r+1)*k)
			codes.Quantize(o.Rule, y[i:end], nil, realBlock(wide[:], x, half, i, end), scales[r:r+1], zero[:], lo, hi,
				quant.Layout{Outer: 1, Channels: 1, Inner: end - i}, 0, end-i)
		}
	}
	body := func(from, to int) {
		var wide [halfBlock]float32
		for r := from; r < to; r++ {
			row(r, &wide)
		}
	}
	grain := max(16384/max(k, 1), 1)
	return func() error {
		nans.Store(0)
		bad.Store(0)
		parallel(rows, grain, body)
		if nans.Load() > 0 {
			return fmt.Errorf("cpu: %d of %d rows: %w", nans.Load(), rows, backend.ErrNaN)
		}
		if bad.Load() > 0 {
			return fmt.Errorf("cpu: %d of %d rows reach infinity: %w", bad.Load(), rows, quant.ErrRange)
		}
		return nil
	}, nil
}
