//go:build cuda

package gpu

import (
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

// splitParts is the number of parts in which a sum of length k is taken when
// one part needs so many blocks, for some hundreds of them: by shape alone,
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
