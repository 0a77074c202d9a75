//go:build cuda

package gpu

import (
	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/tensor"
)

func init() {
	types := []tensor.DType{tensor.F32, tensor.I8, tensor.U8}
	register(backend.MaxPool{}, kernel{module: "max_pool", types: types, bind: func(k *build, op backend.Op, out, in []*Buffer) error {
		p := op.(backend.MaxPool)
		y := out[0]
		if y == nil {
			y = out[1]
		}
		if y == nil {
			return nil
		}
		n := y.numel()
		args := append([]any{out[0], out[1], in[0], int64(n)}, window(p.Window, p.Kernel, in[0].spec.Shape, y.spec.Shape)...)
		return k.launch("max_pool_"+suffixes[in[0].spec.DType], k.elementwise(n), args...)
	}})
	register(backend.MaxPoolGrad{}, kernel{module: "max_pool", types: f32, bind: func(k *build, _ backend.Op, out, in []*Buffer) error {
		s := out[0].spec.Shape
		n := s[0] * s.Last()
		if n == 0 || out[0].numel() == 0 {
			return nil
		}
		return k.launch("max_pool_grad", k.elementwise(n), out[0], in[0], in[1], int64(n), int64(out[0].numel()/n), int64(in[0].numel()/n), int32(s.Last()))
	}})
}
