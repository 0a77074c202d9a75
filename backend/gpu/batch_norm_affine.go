//go:build cuda

package gpu

import (
	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/cuda"
)

func init() {
	register(backend.BatchNormAffine{}, kernel{module: "batch_norm_affine", types: f32, bind: bindBatchNormAffine})
}

func bindBatchNormAffine(k *build, op backend.Op, out, in []*Buffer) error {
	o, n, columns := op.(backend.BatchNormAffine), in[0].numel(), in[1].numel()
	if moments := codeAt(in, 5); moments != nil {
		return normalizeCollected(k, o, n/max(columns, 1), columns, moments, out, in)
	}
	b, c := newRowBlocks(n/max(columns, 1), columns, min(shortRows(2048, columns), 256), true, false)
	parts, err := c.parts(k, 2)
	if err != nil {
		return err
	}
	affine, err := k.placeOf(out[0], 16*columns)
	if err != nil {
		return err
	}
	ends, err := k.temporary(int64(8*columns + 12))
	if err != nil {
		return err
	}
	least, most := ends, ends+cuda.Ptr(4*columns)
	of, nan := most+cuda.Ptr(4*columns), most+cuda.Ptr(4*columns+8)
	if columns > 0 {
		k.command(cuda.Fill32(least, orderedInf, 4*columns))
		k.command(cuda.Fill32(most, orderedNegInf, 4*columns))
	}
	k.command(cuda.Fill32(of, orderedInf, 4))
	k.command(cuda.Fill32(of+4, orderedNegInf, 4))
	k.command(cuda.Fill32(nan, 0, 4))
	shift, err := k.temporary(int64(4 * columns))
	if err != nil {
		return err
	}
	if err := k.launch("batch_norm_affine_shift", c.totals(), shift, in[0], int64(c.rows), int32(columns)); err != nil {
		return err
	}
	if err := k.launch("batch_norm_affine_moments", c.sums(), parts, ends, nan, in[0], shift, structure(b), int32(columns)); err != nil {
		return err
	}
	if err := k.launch("batch_norm_affine", c.totals(), affine, of, in[3], in[4], shift, in[1], in[2], parts, ends, int32(c.chunks),
		int64(c.rows), int32(columns), o.Eps, o.Momentum, o.Lo, o.Hi); err != nil {
		return err
	}
	if out[1] == nil {
		return nil
	}
	return k.launch("batch_norm_affine_range", single, out[1], of, nan)
}

// normalizeCollected is the operation on moments that are there.
func normalizeCollected(k *build, o backend.BatchNormAffine, rows, columns int, moments *Buffer, out, in []*Buffer) error {
	affine, err := k.placeOf(out[0], 16*columns)
	if err != nil {
		return err
	}
	of, err := clampEnds(k)
	if err != nil {
		return err
	}
	launch := cuda.Launch{Grid: cuda.Dim{X: (columns + threads - 1) / threads}, Block: cuda.Dim{X: threads}}
	if err := k.launch("batch_norm_affine_collected", launch, affine, of, of+8, in[3], in[4], in[1], in[2], moments, int64(rows), int32(columns), o.Eps, o.Momentum,
		o.Lo, o.Hi); err != nil {
		return err
	}
	if out[1] == nil {
		return nil
	}
	return k.launch("batch_norm_affine_range", single, out[1], of, of+8)
}
