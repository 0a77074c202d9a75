package cpu

import (
	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/tensor"
)

func init() {
	register(backend.Slice{}, kernel{types: movable, bind: func(_ *Backend, op backend.Op, out, in []*tensor.Tensor) (func() error, error) {
		y, x := out[0], in[0]
		taken, err := slicePlaces(op.(backend.Slice), x.Shape())
		if err != nil {
			return nil, err
		}
		dense := box{0, y.Shape().Strides()}
		return byWidth(x.DType(),
			func() func() error { return bindStridedCopy(typed[int8](y), dense, typed[int8](x), taken, y.Shape()) },
			func() func() error { return bindStridedCopy(typed[int32](y), dense, typed[int32](x), taken, y.Shape()) },
			func() func() error { return bindStridedCopy(typed[int64](y), dense, typed[int64](x), taken, y.Shape()) })
	}})
	register(backend.SliceGrad{}, kernel{types: movable, bind: func(_ *Backend, op backend.Op, out, in []*tensor.Tensor) (func() error, error) {
		dx, dy := out[0], in[0]
		taken, err := slicePlaces(op.(backend.SliceGrad).Slice, dx.Shape())
		if err != nil {
			return nil, err
		}
		return byWidth(dy.DType(),
			func() func() error { return bindSliceGrad[int8](dx, dy, taken) },
			func() func() error { return bindSliceGrad[int32](dx, dy, taken) },
			func() func() error { return bindSliceGrad[int64](dx, dy, taken) })
	}})
}

// slicePlaces returns where the elements that op takes lie in an array of
// shape in.
func slicePlaces(op backend.Slice, in tensor.Shape) (box, error) {
	rs, err := op.Ranges(in)
	if err != nil {
		return box{}, err
	}
	b := box{step: in.Strides()}
	for i, r := range rs {
		b.base += r.Start * b.step[i]
		b.step[i] *= r.Step
	}
	return b, nil
}

func bindSliceGrad[T tensor.Element](dx, dy *tensor.Tensor, taken box) func() error {
	zero := bindConstant(typed[T](dx), 0)
	put := bindStridedCopy(typed[T](dx), taken, typed[T](dy), box{0, dy.Shape().Strides()}, dy.Shape())
	return func() error {
		zero()
		return put()
	}
}
