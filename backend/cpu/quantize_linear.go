package cpu

import (
	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/backend/cpu/internal/codes"
	"github.com/goqat/goqat/quant"
	"github.com/goqat/goqat/tensor"
)

func init() {
	register(backend.QuantizeLinear{}, kernel{types: halves,
		bind: func(_ *Backend, op backend.Op, out, in []*tensor.Tensor) (func() error, error) {
			if op.(backend.QuantizeLinear).Scheme.Signed {
				return bindQuantizeLinear[int8](op, out, in)
			}
			return bindQuantizeLinear[uint8](op, out, in)
		}})
}

func bindQuantizeLinear[T quant.Code](op backend.Op, out, in []*tensor.Tensor) (func() error, error) {
	o := op.(backend.QuantizeLinear)
	q, err := newQuantizer(o.Rule, o.Scheme, in[0].Shape(), in[1], in[2])
	if err != nil {
		return nil, err
	}
	x, y, mask := in[0].F32(), codesOf[T](out[0], q.n), maskOf(out[1])
	if in[0].DType() == tensor.BF16 {
		half := in[0].BF16()
		body := func(lo, hi int) {
			var wide [halfBlock]float32
			for i := lo; i < hi; i += halfBlock {
				n := min(halfBlock, hi-i)
				codes.WidenBF16(wide[:n], half[i:i+n])
				if nan := codes.Quantize(q.rule, y[i:i+n], bitsOf(mask, i, n), wide[:n], q.scale, q.zero, q.lo, q.hi, q.layout.From(i), 0, n); nan > 0 {
					q.nan.Add(int64(nan))
				}
			}
		}
		return func() error { return q.each(body) }, nil
	}
	body := func(lo, hi int) {
		if nan := codes.Quantize(q.rule, y, mask, x, q.scale, q.zero, q.lo, q.hi, q.layout, lo, hi); nan > 0 {
			q.nan.Add(int64(nan))
		}
	}
	return func() error { return q.each(body) }, nil
}

// codesOf returns the codes of t, or memory of its own when nobody uses the
// result but the kernel needs a place to write.
func codesOf[T quant.Code](t *tensor.Tensor, n int) []T {
	if t == nil {
		return make([]T, n)
	}
	return tensor.Cast[T](t.Bytes(), n)
}
