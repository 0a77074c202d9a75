//go:build cuda

package gpu

import (
	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/cuda"
)

func init() {
	register(backend.MSE{}, kernel{module: "mse", types: f32, bind: func(k *build, _ backend.Op, out, in []*Buffer) error {
		n := in[0].numel()
		chunks := (n + sumChunk - 1) / sumChunk
		parts, err := k.temporary(int64(8 * chunks))
		if err != nil {
			return err
		}
		if err := k.launch("mse_chunks", cuda.Launch{Grid: cuda.Dim{X: chunks}, Block: cuda.Dim{X: threads}}, parts, in[0], in[1], int64(n)); err != nil {
			return err
		}
		return k.launch("mse_mean", oneBlock, out[0], parts, int64(chunks), int64(n))
	}})
	register(backend.MSEGrad{}, kernel{module: "mse", types: f32, bind: func(k *build, _ backend.Op, out, in []*Buffer) error {
		n := in[1].numel()
		return k.launch("mse_grad", k.elementwise(n), out[0], in[0], in[1], in[2], int64(n))
	}})
}

// sumChunk is the number of elements whose partial sum a block takes, as the
// kernels of reductions to one number say.
const sumChunk = 4096

// oneBlock is the launch that adds partial sums to one number.
var oneBlock = cuda.Launch{Grid: cuda.Dim{X: 1}, Block: cuda.Dim{X: threads}}
