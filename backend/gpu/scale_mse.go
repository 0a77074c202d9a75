//go:build cuda

package gpu

import (
	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/cuda"
)

// Sizes of csrc/scale_mse.cu and csrc/shrink.cuh.
const (
	shrinkThreads = 128
	errorPiece    = 512
	choiceBytes   = 24
)

func init() {
	register(backend.ScaleMSE{}, kernel{module: "scale_mse", types: f32, bind: bindScaleMSE})
}

func bindScaleMSE(k *build, op backend.Op, _, in []*Buffer) error {
	o := op.(backend.ScaleMSE)
	q, err := newQuantizer(o.Rule, o.Scheme, in[0].spec.Shape)
	if err != nil {
		return err
	}
	l := q.layout
	if l.Channels == 0 {
		return nil
	}
	bad, err := k.nanFlag()
	if err != nil {
		return err
	}
	// First, so that all temporary memory is of one piece.
	pieces := (q.n + errorPiece - 1) / errorPiece
	var parts, best cuda.Ptr
	if l.Channels == 1 {
		if parts, err = k.temporary(int64(8 * shrinkThreads * pieces)); err != nil {
			return err
		}
		if best, err = k.temporary(choiceBytes); err != nil {
			return err
		}
	}
	ends, err := observeEnds(k, in[0], l, bad)
	if err != nil {
		return err
	}
	scale := append(scaleArguments(o.Rule, o.Scheme), bad)
	grid := cuda.Launch{Grid: cuda.Dim{X: min(l.Channels, 1<<16)}, Block: cuda.Dim{X: shrinkThreads}}
	if l.Channels > 1 {
		args := []any{in[1], in[2], in[0], ends, int32(l.Channels), int64(l.Inner), int64(l.Outer * l.Inner), q.rule, q.lo, q.hi}
		return k.launch("scale_mse_channels", grid, append(args, scale...)...)
	}
	errors := grid
	errors.Grid.X = min(pieces, 1<<16)
	for round := range int32(2) {
		args := []any{parts, in[0], int64(q.n), ends, best, round, q.rule, q.lo, q.hi}
		if err := k.launch("scale_mse_errors", errors, append(args, scale...)...); err != nil {
			return err
		}
		args = []any{in[1], in[2], best, parts, int64(pieces), ends, round}
		if err := k.launch("scale_mse_choose", grid, append(args, scale...)...); err != nil {
			return err
		}
	}
	return nil
}
