//go:build cuda

package gpu

import (
	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/quant"
)

// sharedBins is the number of bins that a block counts in its shared memory.
const sharedBins = 48 << 10 / 4

func init() {
	register(backend.ObserveHistogram{}, kernel{module: "observe_histogram", types: halves, bind: func(k *build, _ backend.Op, _, in []*Buffer) error {
		n, bins := in[0].numel(), in[1].numel()
		if n == 0 {
			return nil
		}
		bad, err := k.nanFlag()
		if err != nil {
			return err
		}
		merged, err := k.temporary(int64(8 * bins))
		if err != nil {
			return err
		}
		ends, err := observeEnds(k, in[0], quant.Layout{Outer: 1, Channels: 1, Inner: n}, bad)
		if err != nil {
			return err
		}
		if err := k.launch("histogram_grow", oneBlock, in[1], merged, in[2], int32(bins), ends, bad); err != nil {
			return err
		}
		grid := k.elementwise(n)
		grid.Grid.X = min(grid.Grid.X, 1024)
		shared := bins <= sharedBins
		if shared {
			grid.Shared = 4 * bins
		}
		return k.launch(ofReals("histogram_count", in[0]), grid, in[1], in[2], in[0], int64(n), int32(bins), flag32(shared), bad)
	}})
}
