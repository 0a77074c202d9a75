package cpu

import (
	"fmt"
	"math"
	"sync/atomic"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/backend/cpu/internal/codes"
	"github.com/goqat/goqat/quant"
	"github.com/goqat/goqat/tensor"
)

func init() {
	register(backend.QuantizeWeight{}, kernel{types: []tensor.DType{tensor.F32}, bind: func(_ *Backend, op backend.Op, out, in []*tensor.Tensor) (func() error, error) {
		if op.(backend.QuantizeWeight).Scheme.Signed {
			return bindQuantizeWeight[int8](op, out, in)
		}
		return bindQuantizeWeight[uint8](op, out, in)
	}})
}

func bindQuantizeWeight[T quant.Code](op backend.Op, out, in []*tensor.Tensor) (func() error, error) {
	o := op.(backend.QuantizeWeight)
	x, states := in[0].F32(), [3][]float32{in[1].F32(), in[2].F32(), in[3].F32()}
	l, err := o.Scheme.Layout(in[0].Shape())
	if err != nil {
		return nil, err
	}
	y, mask := codesOf[T](out[0], len(x)), maskOf(out[1])
	// The states of this run, which become those of the tensor when all went
	// well.
	var next [3][]float32
	for i := range next {
		next[i] = make([]float32, l.Channels)
	}
	zero, nextZero := in[4].I32(), make([]int32, l.Channels)
	qlo, qhi := o.Scheme.Range()
	var nan atomic.Int64
	var fault firstFault
	body := func(from, to int) {
		for c := from; c < to; c++ {
			m, M, bad := codes.Extremes(x[c*l.Inner:(c+1)*l.Inner], float32(math.Inf(1)), float32(math.Inf(-1)))
			lo, hi := states[0][c], states[1][c]
			switch {
			case bad:
				nan.Store(1)
				return
			case m <= M && (math.IsInf(float64(m), 0) || math.IsInf(float64(M), 0)):
				fault.set(c, fmt.Errorf("%w: observed values reach from %v to %v", quant.ErrRange, m, M))
				return
			case m <= M:
				follow(&lo, &hi, m, M, o.Momentum)
			}
			s, z, err := o.Rule.ScaleZero(o.Scheme, lo, hi)
			if err != nil {
				fault.set(c, err)
				return
			}
			next[0][c], next[1][c], next[2][c], nextZero[c] = lo, hi, s, z
		}
		codes.Quantize(o.Rule, y, mask, x, next[2], nextZero, qlo, qhi, l, from*l.Inner, to*l.Inner)
	}
	grain := maskRows(8192, l.Inner)
	return func() error {
		nan.Store(0)
		fault.clear()
		parallel(l.Channels, grain, body)
		if nan.Load() > 0 {
			return fmt.Errorf("cpu: observed values: %w", backend.ErrNaN)
		}
		if err := fault.get(); err != nil {
			return err
		}
		for i, s := range states {
			copy(s, next[i])
		}
		copy(zero, nextZero)
		return nil
	}, nil
}
