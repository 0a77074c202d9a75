//go:build cuda

package gpu

import (
	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/tensor"
)

func init() {
	register(backend.AveragePool{}, kernel{module: "average_pool", types: f32, bind: func(k *build, op backend.Op, out, in []*Buffer) error {
		return averagePool(k, "average_pool", op.(backend.AveragePool), out[0].numel(), in[0].spec.Shape, out[0].spec.Shape, out[0], in[0])
	}})
	register(backend.AveragePoolGrad{}, kernel{module: "average_pool", types: f32, bind: func(k *build, op backend.Op, out, in []*Buffer) error {
		p := op.(backend.AveragePoolGrad).AveragePool
		return averagePool(k, "average_pool_grad", p, out[0].numel(), out[0].spec.Shape, in[0].spec.Shape, out[0], in[0])
	}})
}

// averagePool launches a kernel of pooling x to y.
func averagePool(k *build, name string, p backend.AveragePool, n int, x, y tensor.Shape, out, in *Buffer) error {
	bottom, right := after(p.Window, len(x))
	args := append([]any{out, in, int64(n)}, window(p.Window, p.Kernel, x, y)...)
	return k.launch(name, k.elementwise(n), append(args, bottom, right, flag32(p.CountPad))...)
}
