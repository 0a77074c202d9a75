//go:build cuda

package gpu

import "github.com/goqat/goqat/backend"

func init() {
	register(backend.Transpose{}, kernel{module: "transpose", types: castable, bind: func(k *build, op backend.Op, out, in []*Buffer) error {
		perm, strides := op.(backend.Transpose).Perm, in[0].spec.Shape.Strides()
		from := make([]int, len(strides))
		for i := range from {
			from[i] = strides[perm.V[i]]
		}
		s := out[0].spec.Shape
		return stridedCopy(k, "transpose", out[0].ptr, in[0].ptr, width(in[0].spec.DType), s, s.Strides(), from)
	}})
}
