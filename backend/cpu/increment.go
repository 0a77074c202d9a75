package cpu

import (
	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/tensor"
)

func init() {
	register(backend.Increment{}, kernel{types: []tensor.DType{tensor.I64}, bind: func(_ *Backend, _ backend.Op, _, in []*tensor.Tensor) (func() error, error) {
		counter := in[0].I64()
		return func() error {
			counter[len(counter)-1]++
			return nil
		}, nil
	}})
}
