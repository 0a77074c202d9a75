package cpu

import (
	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/tensor"
)

func init() {
	register(backend.Concat{}, kernel{types: movable, bind: func(_ *Backend, op backend.Op, out, in []*tensor.Tensor) (func() error, error) {
		axis, err := backend.Axis(op.(backend.Concat).Axis, len(out[0].Shape()))
		if err != nil {
			return nil, err
		}
		return byWidth(out[0].DType(),
			func() func() error { return bindConcat[int8](axis, out[0], in) },
			func() func() error { return bindConcat[int32](axis, out[0], in) },
			func() func() error { return bindConcat[int64](axis, out[0], in) })
	}})
}

func bindConcat[T tensor.Element](axis int, out *tensor.Tensor, in []*tensor.Tensor) func() error {
	st := out.Shape().Strides()
	y := typed[T](out)
	parts := make([]func() error, len(in))
	at := 0
	for i, x := range in {
		s := x.Shape()
		parts[i] = bindStridedCopy(y, box{at * st[axis], st}, typed[T](x), box{0, s.Strides()}, s)
		at += s[axis]
	}
	return func() error {
		for _, p := range parts {
			if err := p(); err != nil {
				return err
			}
		}
		return nil
	}
}
