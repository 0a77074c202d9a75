//go:build cuda

package gpu

import "github.com/goqat/goqat/backend"

func init() {
	register(backend.BiasGrad{}, kernel{module: "bias_grad", types: f32, bind: func(k *build, _ backend.Op, out, in []*Buffer) error {
		columns := out[0].numel()
		b, c := newRowBlocks(in[0].numel()/max(columns, 1), columns, max(4096/max(columns, 1), 1), false, false)
		parts, err := c.parts(k, 1)
		if err != nil {
			return err
		}
		if err := k.launch("bias_grad_chunks", c.sums(), parts, in[0], structure(b), int32(columns)); err != nil {
			return err
		}
		return k.launch("bias_grad", c.totals(), out[0], parts, int32(c.chunks), int32(columns))
	}})
}
