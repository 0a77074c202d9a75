package cpu

import (
	"fmt"
	"sync"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/tensor"
)

func init() {
	register(backend.ScaleZero{}, kernel{types: []tensor.DType{tensor.F32}, bind: bindScaleZero})
}

func bindScaleZero(_ *Backend, op backend.Op, _, in []*tensor.Tensor) (func() error, error) {
	o := op.(backend.ScaleZero)
	lo, hi, scale, zero := in[0].F32(), in[1].F32(), in[2].F32(), in[3].I32()
	var fault firstFault
	body := func(from, to int) {
		for c := from; c < to; c++ {
			s, z, err := o.Rule.ScaleZero(o.Scheme, lo[c], hi[c])
			if err != nil {
				if lo[c] > hi[c] {
					err = fmt.Errorf("%w: no value was observed", err)
				}
				fault.set(c, err)
				return
			}
			scale[c], zero[c] = s, z
		}
	}
	grain := grainFor(len(scale), 20)
	return func() error {
		fault.clear()
		parallel(len(scale), grain, body)
		return fault.get()
	}, nil
}

// firstFault keeps the error of the lowest channel that tiles report, so that
// the report does not depend on their order.
type firstFault struct {
	mu      sync.Mutex
	channel int
	err     error
}

func (f *firstFault) clear() { f.err = nil }

func (f *firstFault) set(channel int, err error) {
	f.mu.Lock()
	if f.err == nil || channel < f.channel {
		f.channel, f.err = channel, err
	}
	f.mu.Unlock()
}

func (f *firstFault) get() error {
	if f.err == nil {
		return nil
	}
	return fmt.Errorf("cpu: channel %d: %w", f.channel, f.err)
}
