//go:build cuda

package gpu

import (
	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/cuda"
	"github.com/goqat/goqat/quant"
)

func init() {
	register(backend.ObserveMinMax{}, kernel{module: "observe_min_max", types: halves, bind: func(k *build, op backend.Op, _, in []*Buffer) error {
		o := op.(backend.ObserveMinMax)
		l, err := quant.Scheme{Grain: o.Grain}.Layout(in[0].spec.Shape)
		if err != nil {
			return err
		}
		bad, err := k.nanFlag()
		if err != nil {
			return err
		}
		ends, err := observeEnds(k, in[0], l, bad)
		if err != nil {
			return err
		}
		return k.launch("observe_follow", perChannel(l.Channels), in[1], in[2], ends, int32(l.Channels), o.Momentum, bad)
	}})
}

// Ordered integers (csrc/common.cuh) of +Inf and -Inf: of a channel without
// elements.
const (
	orderedInf    = 0xff800000
	orderedNegInf = 0x007fffff
)

// observeEnds finds the extremes of each channel of x, [2, channels] as ordered
// integers. NaNs and infinities are counted in the flag.
func observeEnds(k *build, x *Buffer, l quant.Layout, bad cuda.Ptr) (cuda.Ptr, error) {
	c := l.Channels
	ends, err := k.temporary(int64(8 * c))
	if err != nil || c == 0 {
		return ends, err
	}
	k.command(cuda.Fill32(ends, orderedInf, 4*c))
	k.command(cuda.Fill32(ends+cuda.Ptr(4*c), orderedNegInf, 4*c))
	const module, segment, rows = "observe_min_max", 4096, 64
	switch n := l.Outer * c * l.Inner; {
	case n == 0:
	case l.Inner >= 32:
		runs := l.Outer * c
		warps := runs * ((l.Inner + segment - 1) / segment)
		grid := cuda.Launch{Grid: cuda.Dim{X: min((warps+threads/32-1)/(threads/32), 1<<16)}, Block: cuda.Dim{X: threads}}
		err = k.launchFrom(module, ofReals("observe_runs", x), grid, ends, x, int64(runs), int32(c), int64(l.Inner), bad)
	default:
		columns := c * l.Inner
		grid := perChannel(columns)
		grid.Grid.Y = min((l.Outer+rows-1)/rows, maxGridYZ)
		err = k.launchFrom(module, ofReals("observe_columns", x), grid, ends, x, int64(l.Outer), int64(columns), int32(c), int64(l.Inner), bad)
	}
	if err != nil {
		return 0, err
	}
	return ends, k.launchFrom(module, "observe_check", perChannel(c), ends, int32(c), bad)
}
