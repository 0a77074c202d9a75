//go:build cuda

package gpu

import (
	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/cuda"
)

func init() {
	register(backend.Concat{}, kernel{module: "concat", types: castable, bind: func(k *build, op backend.Op, out, in []*Buffer) error {
		to := out[0].spec.Shape.Strides()
		axis, err := backend.Axis(op.(backend.Concat).Axis, len(to))
		if err != nil {
			return err
		}
		w, at := width(out[0].spec.DType), 0
		for _, x := range in {
			s := x.spec.Shape
			if err := stridedCopy(k, "concat", out[0].ptr+cuda.Ptr(at*to[axis]*w), x.ptr, w, s, to, s.Strides()); err != nil {
				return err
			}
			at += s[axis]
		}
		return nil
	}})
}
