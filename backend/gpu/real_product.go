//go:build cuda

package gpu

import (
	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/cuda"
	"github.com/goqat/goqat/tensor"
)

// realOperand is struct operand of csrc/real_product.cuh: a float tensor, or
// codes with their scale and zero point, the next two inputs.
type realOperand struct {
	P, Scale, Zero uint64
	Type, Channels int32
}

func newRealOperand(in []*Buffer, i int) realOperand {
	o := realOperand{P: uint64(in[i].ptr), Channels: 1}
	switch in[i].spec.DType {
	case tensor.I8:
		o.Type = 1
	case tensor.U8:
		o.Type = 2
	default:
		return o
	}
	o.Scale, o.Channels = uint64(in[i+1].ptr), elementsOf(in[i+1])
	if z := codeAt(in, i+2); z != nil {
		o.Zero = uint64(z.ptr)
	}
	return o
}

// Tiles of csrc/real_product.cuh.
const (
	realTile  = 64
	realDepth = 16
)

// realTiles is the launch of m x n results, z times; nothing when there are
// none.
func realTiles(m, n, z int) cuda.Launch {
	if m == 0 || n == 0 || z == 0 {
		return cuda.Launch{}
	}
	return cuda.Launch{Grid: cuda.Dim{X: (m + realTile - 1) / realTile, Y: (n + realTile - 1) / realTile, Z: z}, Block: cuda.Dim{X: 256}}
}

// sumOrder is struct sum_order of csrc/sum_order.cuh.
type sumOrder struct {
	Length, Depth, Period, Part, Unit, Units int32
}

// Sums are cut into units until there are so many blocks of threads, unless
// the sums of all units would take more memory.
const (
	wantedBlocks = 256
	unitBytes    = 64 << 20
)

// newSumOrder cuts the sums of n results in so many tiles into units: whole
// sums, which only those in one part can be, or parts, or blocks.
func newSumOrder(o backend.SumOrder, tiles, n int) sumOrder {
	blocks, parts := o.Blocks(), o.Parts()
	s := sumOrder{Length: int32(o.Length), Depth: int32(o.Depth), Period: int32(o.Period), Part: int32(o.Part), Unit: int32(o.Part), Units: int32(max(parts, 1))}
	if tiles*parts < wantedBlocks && blocks > parts && tiles*blocks < 1<<16 && blocks*n <= unitBytes/4 {
		s.Unit, s.Units = 1, int32(blocks)
	}
	return s
}

// oneSum is the order of sums of k terms in one block.
func oneSum(k int) sumOrder { return newSumOrder(backend.OneSum(k), 1, 1) }

// ordered launches products that make y, in columns with a bias or without,
// and that have the order o: f launches them, tiles times units of blocks, to c. When
// there are several units, their sums are added up by another kernel.
func (k *build) ordered(y, bias *Buffer, columns int, o backend.SumOrder, tiles cuda.Launch, f func(tiles cuda.Launch, c cuda.Ptr, bias *Buffer, order []byte) error) error {
	n := y.numel()
	if n == 0 {
		return nil
	}
	s := newSumOrder(o, tiles.Grid.X*tiles.Grid.Y*tiles.Grid.Z, n)
	if s.Units == 1 {
		return f(tiles, y.ptr, bias, structure(s))
	}
	sums, err := k.temporary(int64(4 * int(s.Units) * n))
	if err != nil {
		return err
	}
	tiles.Grid.Z *= int(s.Units)
	if err := f(tiles, sums, nil, structure(s)); err != nil {
		return err
	}
	return k.launch(k.module+"_sum_blocks", k.each(n), y, sums, bias, int32(columns), structure(s), int64(n))
}

// splitParts is the number of parts in which a sum of length k of products in
// bfloat16 is taken when one part needs so many blocks, for some hundreds of them: by shape alone,
// as the order of a sum must not depend on the device.
func splitParts(blocks, k int) int {
	return max(min(512/max(blocks, 1), k/256), 1)
}

// splitSum launches a sum in parts to a temporary, and their sum to y; f
// launches the parts.
func splitSum(k *build, y *Buffer, splits int, f func(parts cuda.Ptr) error) error {
	if splits == 1 {
		return f(y.ptr)
	}
	n := y.numel()
	parts, err := k.temporary(int64(4 * splits * n))
	if err != nil {
		return err
	}
	if err := f(parts); err != nil {
		return err
	}
	return k.launch(k.module+"_sum_parts", cuda.Launch{Grid: cuda.Dim{X: min((n+255)/256, 1<<20)}, Block: cuda.Dim{X: 256}}, y, parts, int32(splits), int64(n))
}
