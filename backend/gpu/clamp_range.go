//go:build cuda

package gpu

import (
	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/cuda"
)

func init() {
	register(backend.ClampRange{}, kernel{module: "clamp_range", types: f32, bind: func(k *build, op backend.Op, out, in []*Buffer) error {
		o, n := op.(backend.ClampRange), in[0].numel()
		if found := codeAt(in, 1); found != nil {
			return k.launch("clamp_range_collected", single, out[0], found, o.Lo, o.Hi)
		}
		ends, err := clampEnds(k)
		if err != nil {
			return err
		}
		grid := k.elementwise(n)
		grid.Grid.X = min(grid.Grid.X, 1024)
		if err := k.launch("clamp_range_ends", grid, ends, in[0], int64(n)); err != nil {
			return err
		}
		return k.launch("clamp_range", single, out[0], ends, int64(n), o.Lo, o.Hi)
	}})
}

// clampEnds returns the place of the extremes of a tensor, those of nothing, and
// of a flag of NaN.
func clampEnds(k *build) (cuda.Ptr, error) {
	ends, err := k.temporary(12)
	if err != nil {
		return 0, err
	}
	k.command(cuda.Fill32(ends, orderedInf, 4))
	k.command(cuda.Fill32(ends+4, orderedNegInf, 4))
	k.command(cuda.Fill32(ends+8, 0, 4))
	return ends, nil
}
