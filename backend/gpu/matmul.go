//go:build cuda

package gpu

import (
	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/cuda"
	"github.com/goqat/goqat/tensor"
)

func init() {
	register(backend.MatMul{}, kernel{module: "matmul", supports: func(_ backend.Op, in []tensor.Spec) bool {
		if len(in) != 2 || in[0].DType != tensor.F32 {
			return false
		}
		_, _, _, ok := newMatrices(backend.MatMul{}, in[0].Shape, in[1].Shape)
		return ok
	}, bind: func(k *build, op backend.Op, out, in []*Buffer) error {
		s, f, _, _ := newMatrices(op.(backend.MatMul), in[0].spec.Shape, in[1].spec.Shape)
		// By how the rows of a and the columns of b are stored.
		name := "matmul"
		for _, step := range []int64{f.AStep, f.BStep} {
			if step == 1 {
				name += "_along"
			} else {
				name += "_across"
			}
		}
		m, n := int(f.M), int(f.N)
		return k.ordered(out[0], nil, n, backend.ProductOrder(m*int(s.Count), n, int(f.K)), realTiles(m, n, int(s.Count)), func(tiles cuda.Launch, y cuda.Ptr, _ *Buffer, order []byte) error {
			tiles.Grid.Z = min(tiles.Grid.Z, 65535)
			return k.launch(name, tiles, y, in[0], in[1], structure(s), structure(f), order)
		})
	}})
}
