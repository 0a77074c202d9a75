package cpu

import (
	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/tensor"
)

func init() {
	register(backend.Transpose{}, kernel{types: movable, bind: func(_ *Backend, op backend.Op, out, in []*tensor.Tensor) (func() error, error) {
		y, x := out[0], in[0]
		return byWidth(x.DType(),
			func() func() error {
				return bindTranspose(op.(backend.Transpose), typed[int8](y), typed[int8](x), y.Shape(), x.Shape())
			},
			func() func() error {
				return bindTranspose(op.(backend.Transpose), typed[int32](y), typed[int32](x), y.Shape(), x.Shape())
			},
			func() func() error {
				return bindTranspose(op.(backend.Transpose), typed[int64](y), typed[int64](x), y.Shape(), x.Shape())
			})
	}})
}

func bindTranspose[T tensor.Element](op backend.Transpose, y, x []T, out, in tensor.Shape) func() error {
	st := in.Strides()
	from := make([]int, len(in))
	for i, p := range op.Perm.V[:op.Perm.N] {
		from[i] = st[p]
	}
	return bindStridedCopy(y, box{0, out.Strides()}, x, box{0, from}, out)
}
