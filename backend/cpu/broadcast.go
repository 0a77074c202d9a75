package cpu

import (
	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/tensor"
)

// broadcastLoops are the inner loops of a binary operation: on two rows, on a
// row and a number, on a number and a row. They write z, which is as long as
// the rows.
type broadcastLoops[T tensor.Element] struct {
	both   func(z, a, b []T)
	second func(z, a []T, b T)
	first  func(z []T, a T, b []T)
}

// broadcastKernel returns the kernel of a binary operation with broadcast;
// the loops of types it is not offered for are zero.
func broadcastKernel(f32 broadcastLoops[float32], f64 broadcastLoops[float64], i32 broadcastLoops[int32], i64 broadcastLoops[int64]) kernel {
	types := floats
	if i32.both != nil {
		types = []tensor.DType{tensor.F32, tensor.F64, tensor.I32, tensor.I64}
	}
	return kernel{types: types, bind: func(_ *Backend, _ backend.Op, out, in []*tensor.Tensor) (func() error, error) {
		shape := out[0].Shape()
		n := newLoopNest(shape, broadcastStrides(in[0].Shape(), len(shape)), broadcastStrides(in[1].Shape(), len(shape)))
		switch in[0].DType() {
		case tensor.F64:
			return bindBroadcast(f64, n, out[0].F64(), in[0].F64(), in[1].F64()), nil
		case tensor.I32:
			return bindBroadcast(i32, n, out[0].I32(), in[0].I32(), in[1].I32()), nil
		case tensor.I64:
			return bindBroadcast(i64, n, out[0].I64(), in[0].I64(), in[1].I64()), nil
		}
		return bindBroadcast(f32, n, out[0].F32(), in[0].F32(), in[1].F32()), nil
	}}
}

// bindBroadcast cuts the rows of n into segments and runs them in tiles of
// about nestTile elements. Along a row each operand advances by 1 or stands
// still, because operands are dense and dimensions of 1 are left out.
func bindBroadcast[T tensor.Element](l broadcastLoops[T], n *loopNest, z, a, b []T) func() error {
	if len(z) == 0 {
		return func() error { return nil }
	}
	inner, sa, sb := n.inner()
	length := min(inner, nestTile)
	segments := (inner + length - 1) / length
	units := n.rows() * segments
	grain := max(1, nestTile/length)
	body := func(lo, hi int) {
		c, s := n.seek(lo/segments), lo%segments
		row := lo / segments * inner
		for range hi - lo {
			o := s * length
			m := min(length, inner-o)
			dst := z[row+o:][:m]
			switch {
			case sa == 0:
				l.first(dst, a[c.off[0]], b[c.off[1]+o:][:m])
			case sb == 0:
				l.second(dst, a[c.off[0]+o:][:m], b[c.off[1]])
			default:
				l.both(dst, a[c.off[0]+o:][:m], b[c.off[1]+o:][:m])
			}
			if s++; s == segments {
				s = 0
				row += inner
				n.next(&c)
			}
		}
	}
	return func() error { parallel(units, grain, body); return nil }
}
