//go:build cuda

package gpu

import (
	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/cuda"
	"github.com/goqat/goqat/tensor"
)

func init() {
	register(backend.Slice{}, kernel{module: "slice", types: castable, bind: func(k *build, op backend.Op, out, in []*Buffer) error {
		at, from, err := sliceWalk(op.(backend.Slice), in[0].spec.Shape)
		if err != nil {
			return err
		}
		s, w := out[0].spec.Shape, width(in[0].spec.DType)
		return stridedCopy(k, "slice", out[0].ptr, in[0].ptr+cuda.Ptr(at*w), w, s, s.Strides(), from)
	}})
	register(backend.SliceGrad{}, kernel{module: "slice", types: f32, bind: func(k *build, op backend.Op, out, in []*Buffer) error {
		at, to, err := sliceWalk(op.(backend.SliceGrad).Slice, out[0].spec.Shape)
		if err != nil {
			return err
		}
		s, w := in[0].spec.Shape, width(in[0].spec.DType)
		k.zero(out[0])
		return stridedCopy(k, "slice", out[0].ptr+cuda.Ptr(at*w), in[0].ptr, w, s, to, s.Strides())
	}})
}

// sliceWalk returns the first element that a slice takes of a tensor of shape
// s, and the strides of the others.
func sliceWalk(op backend.Slice, s tensor.Shape) (first int, strides []int, err error) {
	ranges, err := op.Ranges(s)
	if err != nil {
		return 0, nil, err
	}
	strides = s.Strides()
	for i, r := range ranges {
		if r.Count > 0 {
			first += r.Start * strides[i]
		}
		strides[i] *= r.Step
	}
	return first, strides, nil
}
