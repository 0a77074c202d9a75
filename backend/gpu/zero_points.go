//go:build cuda

package gpu

import (
	"context"
	"encoding/binary"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/cuda"
	"github.com/goqat/goqat/tensor"
)

// zeroPoints are the ranges that the zero points of an operation must lie in.
type zeroPoints struct {
	xlo, xhi, ylo, yhi int32
}

// What a flag says of a zero point, as csrc/zero_points.cu.
const (
	zeroOfInput  = 1
	zeroOfResult = 2
)

// err returns what a flag stands for.
func (z *zeroPoints) err(which uint32, zero int32) error {
	if which == zeroOfInput {
		return backend.CheckInputZero(zero, z.xlo, z.xhi)
	}
	return backend.CheckResultZero(zero, z.ylo, z.yhi)
}

// checkZeros launches a look at the zero points of an input of codes and of a
// result with codes in [lo, hi]; either may be nil. Constants that are right
// need none.
func (k *build) checkZeros(x, zx, zy *Buffer, lo, hi int32) error {
	if k.forced != nil { // Measured operands are made for that.
		return nil
	}
	z := zeroPoints{xlo: -128, xhi: 127, ylo: lo, yhi: hi}
	if x.spec.DType == tensor.U8 {
		z.xlo, z.xhi = 0, 255
	}
	if v, ok := k.constantInt(zx); ok && backend.CheckInputZero(v, z.xlo, z.xhi) == nil {
		zx = nil
	}
	if v, ok := k.constantInt(zy); ok && backend.CheckResultZero(v, z.ylo, z.yhi) == nil {
		zy = nil
	}
	if zx == nil && zy == nil {
		return nil
	}
	flag, err := k.nanFlag()
	if err != nil {
		return err
	}
	k.k.zeros = z
	one := cuda.Launch{Grid: cuda.Dim{X: 1}, Block: cuda.Dim{X: 1}}
	return k.launchFrom("zero_points", "zero_points_check", one, flag, zx, z.xlo, z.xhi, zy, z.ylo, z.yhi)
}

// constants returns the contents of a buffer of constants, false for another. It
// reads them once, while an operation is bound.
func (k *build) constants(x *Buffer) ([]byte, bool) {
	if !x.frozen.Load() {
		return nil, false
	}
	if b := x.contents.Load(); b != nil {
		return *b, true
	}
	b := make([]byte, x.spec.Bytes())
	if err := k.q.Download(context.Background(), x, b, x.ptr); err != nil {
		return nil, false // Whatever is wrong will be met again.
	}
	x.contents.Store(&b)
	return b, true
}

// constantInt returns the first of int32 constants.
func (k *build) constantInt(x *Buffer) (int32, bool) {
	if x == nil {
		return 0, true
	}
	b, ok := k.constants(x)
	if !ok || len(b) < 4 {
		return 0, false
	}
	return int32(binary.NativeEndian.Uint32(b)), true
}
