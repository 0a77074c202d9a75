package cpu

import (
	"github.com/goqat/goqat/backend/cpu/internal/codes"
	"github.com/goqat/goqat/quant"
	"github.com/goqat/goqat/tensor"
)

// Kernels on bfloat16 widen a block to float32 in the first-level cache and do
// there what they do with float32, so their codes, masks and sums are those of
// the float32 of the same values.

// halves lists the types of real numbers that quantizers take.
var halves = []tensor.DType{tensor.F32, tensor.BF16}

// halfBlock is the number of elements widened at a time: whole blocks of
// [quant.LSQBlock], so whole bytes of a mask, too.
const halfBlock = quant.LSQBlock

// bitsOf returns the bytes of elements [i, i+n) of a mask, nil of no mask.
func bitsOf(mask []byte, i, n int) []byte {
	if mask == nil {
		return nil
	}
	return mask[i>>3 : (i+n+7)>>3]
}

// realBlock returns elements [lo, hi) of a tensor of real numbers: its own, or
// those of a bfloat16 one in buf.
func realBlock(buf []float32, f32 []float32, half []tensor.BFloat16, lo, hi int) []float32 {
	if half == nil {
		return f32[lo:hi]
	}
	codes.WidenBF16(buf[:hi-lo], half[lo:hi])
	return buf[:hi-lo]
}

// halfOf is [f32Of] for bfloat16.
func halfOf(t *tensor.Tensor, n int) []tensor.BFloat16 {
	if t == nil {
		return make([]tensor.BFloat16, n)
	}
	return t.BF16()
}

func bindFakeQuantHalf(q *quantizer, out, in []*tensor.Tensor) (func() error, error) {
	x, y, mask := in[0].BF16(), halfOf(out[0], q.n), maskOf(out[1])
	body := func(lo, hi int) {
		var wide [halfBlock]float32
		for i := lo; i < hi; i += halfBlock {
			n := min(halfBlock, hi-i)
			v := wide[:n]
			codes.WidenBF16(v, x[i:i+n])
			if nan := codes.FakeQuantize(q.rule, v, bitsOf(mask, i, n), v, q.scale, q.zero, q.lo, q.hi, q.layout.From(i), 0, n); nan > 0 {
				q.nan.Add(int64(nan))
			}
			codes.NarrowBF16(y[i:i+n], v)
		}
	}
	return func() error { return q.each(body) }, nil
}

func bindSTEGradHalf(dx, dy []tensor.BFloat16, mask []byte) (func() error, error) {
	grain := grainFor(len(dx), 1)
	body := func(lo, hi int) {
		var wide [halfBlock]float32
		for i := lo; i < hi; i += halfBlock {
			n := min(halfBlock, hi-i)
			v := wide[:n]
			codes.WidenBF16(v, dy[i:i+n])
			codes.STEGrad(v, v, mask[i>>3:], 0, n)
			codes.NarrowBF16(dx[i:i+n], v)
		}
	}
	return func() error { parallel(len(dx), grain, body); return nil }, nil
}

// lsqHalves computes gradients of a learned scale where dy or x are bfloat16;
// dx has the type of dy.
type lsqHalves struct {
	q               *quantizer
	dy, x, dx       []float32
	dy16, x16, dx16 []tensor.BFloat16
}

// newLSQHalves returns nil when all are float32.
func newLSQHalves(q *quantizer, dx, dy, x *tensor.Tensor) *lsqHalves {
	if dy.DType() == tensor.F32 && x.DType() == tensor.F32 {
		return nil
	}
	h := &lsqHalves{q: q, dy: dy.F32(), x: x.F32(), dy16: dy.BF16(), x16: x.BF16()}
	if dx != nil {
		h.dx, h.dx16 = dx.F32(), dx.BF16()
	}
	return h
}

// grad handles elements [lo, hi), lo a multiple of [quant.LSQBlock]; l is the
// layout of the tensor from there on.
func (h *lsqHalves) grad(lo, hi int, scale []float32, zero []int32, ds []float64, l quant.Layout) (nan int) {
	var wideX, wideD [halfBlock]float32
	for i := lo; i < hi; i += halfBlock {
		end := min(i+halfBlock, hi)
		x, dy := realBlock(wideX[:], h.x, h.x16, i, end), realBlock(wideD[:], h.dy, h.dy16, i, end)
		dx := wideD[:end-i]
		if h.dx != nil {
			dx = h.dx[i:end]
		}
		nan += codes.LSQGrad(h.q.rule, dx, dy, x, scale, zero, h.q.lo, h.q.hi, ds, l.From(i-lo), 0, end-i)
		if h.dx16 != nil {
			codes.NarrowBF16(h.dx16[i:end], dx)
		}
	}
	return nan
}
