package cpu

import (
	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/tensor"
)

func init() {
	register(backend.AdamQuantizeWeight{}, kernel{types: []tensor.DType{tensor.F32}, bind: func(_ *Backend, op backend.Op, out, in []*tensor.Tensor) (func() error, error) {
		o := op.(backend.AdamQuantizeWeight)
		w, err := newWeightCoder(o.Rule, o.Scheme, in[0], out)
		if err != nil {
			return nil, err
		}
		begin, update := adamSteps[float32](o.Adam, in)
		run := w.run(update)
		return func() error {
			if err := begin(); err != nil {
				return err
			}
			return run()
		}, nil
	}})
}
