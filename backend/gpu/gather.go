//go:build cuda

package gpu

import (
	"strconv"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/tensor"
)

func init() {
	register(backend.Gather{}, kernel{module: "gather", types: castable, bind: func(k *build, op backend.Op, out, in []*Buffer) error {
		name := "gather_" + strconv.Itoa(width(in[0].spec.DType)) + "_" + suffixes[in[1].spec.DType]
		return gather(k, name, op.(backend.Gather), in[0].spec.Shape, out[0].numel(), out[0], in[0], in[1])
	}})
	register(backend.GatherGrad{}, kernel{module: "gather", types: f32, bind: func(k *build, op backend.Op, out, in []*Buffer) error {
		s := out[0].spec.Shape
		o := op.(backend.GatherGrad).Gather
		axis, err := backend.Axis(o.Axis, len(s))
		if err != nil {
			return err
		}
		return gather(k, "gather_grad_"+suffixes[in[1].spec.DType], o, s, s[:axis].Numel()*s[axis+1:].Numel(), out[0], in[0], in[1])
	}})
}

// gather launches a kernel with n threads on data of shape s.
func gather(k *build, name string, op backend.Gather, s tensor.Shape, n int, to, from, index *Buffer) error {
	axis, err := backend.Axis(op.Axis, len(s))
	if err != nil {
		return err
	}
	bad, err := k.indexFlag()
	if err != nil {
		return err
	}
	return k.launch(name, k.elementwise(n), to, from, index, int64(n), int64(index.numel()), int64(s[axis]), int64(s[axis+1:].Numel()), bad)
}
