//go:build cuda

package gpu

import (
	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/cuda"
)

func init() {
	register(backend.GradNorm{}, kernel{module: "grad_norm", types: f32, bind: func(k *build, _ backend.Op, out, in []*Buffer) error {
		total := 0
		for _, x := range in {
			total += (x.numel() + sumChunk - 1) / sumChunk
		}
		parts, err := k.temporary(int64(8 * total))
		if err != nil {
			return err
		}
		at := 0
		for _, x := range in {
			n := x.numel()
			chunks := (n + sumChunk - 1) / sumChunk
			l := cuda.Launch{Grid: cuda.Dim{X: chunks}, Block: cuda.Dim{X: threads}}
			if err := k.launch("grad_norm_chunks", l, parts+cuda.Ptr(8*at), x, int64(n)); err != nil {
				return err
			}
			at += chunks
		}
		return k.launch("grad_norm_root", oneBlock, out[0], parts, int64(total))
	}})
}
