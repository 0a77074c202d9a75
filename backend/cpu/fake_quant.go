package cpu

import (
	"fmt"
	"sync/atomic"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/backend/cpu/internal/codes"
	"github.com/goqat/goqat/quant"
	"github.com/goqat/goqat/tensor"
)

func init() {
	register(backend.FakeQuant{}, kernel{types: halves, bind: bindFakeQuant})
	register(backend.STEGrad{}, kernel{types: halves, bind: bindSTEGrad})
	register(backend.LSQGrad{}, kernel{types: halves, bind: bindLSQGrad})
}

// quantizer is what all quantizing kernels share.
type quantizer struct {
	rule   quant.Rule
	lo, hi int32
	layout quant.Layout
	scale  []float32
	zero   []int32
	n      int
	nan    atomic.Int64
}

// newQuantizer prepares a quantizer of tensors of this shape.
func newQuantizer(r quant.Rule, s quant.Scheme, shape tensor.Shape, scale, zero *tensor.Tensor) (*quantizer, error) {
	l, err := s.Layout(shape)
	if err != nil {
		return nil, err
	}
	q := &quantizer{rule: r, layout: l, scale: scale.F32(), n: shape.Numel()}
	q.lo, q.hi = s.Range()
	if zero != nil {
		q.zero = zero.I32()
	} else {
		q.zero = make([]int32, len(q.scale))
	}
	return q, nil
}

// each runs body, which adds the NaNs it meets to q.nan, over all elements.
func (q *quantizer) each(body func(lo, hi int)) error {
	q.nan.Store(0)
	parallel(q.n, grainFor(q.n, 4), body)
	return nanError(q.nan.Load(), q.n)
}

func nanError(nan int64, n int) error {
	if nan == 0 {
		return nil
	}
	return fmt.Errorf("cpu: %d of %d values: %w", nan, n, backend.ErrNaN)
}

// maskOf returns the bytes of a mask, nil when nobody uses it.
func maskOf(t *tensor.Tensor) []byte {
	if t == nil {
		return nil
	}
	return t.Bytes()
}

// f32Of returns the elements of t, or memory of its own when nobody uses the
// result but the kernel needs a place to write.
func f32Of(t *tensor.Tensor, n int) []float32 {
	if t == nil {
		return make([]float32, n)
	}
	return t.F32()
}

func bindFakeQuant(_ *Backend, op backend.Op, out, in []*tensor.Tensor) (func() error, error) {
	o := op.(backend.FakeQuant)
	q, err := newQuantizer(o.Rule, o.Scheme, in[0].Shape(), in[1], in[2])
	if err != nil {
		return nil, err
	}
	if in[0].DType() == tensor.BF16 {
		return bindFakeQuantHalf(q, out, in)
	}
	x, y, mask := in[0].F32(), f32Of(out[0], q.n), maskOf(out[1])
	body := func(lo, hi int) {
		if nan := codes.FakeQuantize(q.rule, y, mask, x, q.scale, q.zero, q.lo, q.hi, q.layout, lo, hi); nan > 0 {
			q.nan.Add(int64(nan))
		}
	}
	return func() error { return q.each(body) }, nil
}

func bindSTEGrad(_ *Backend, _ backend.Op, out, in []*tensor.Tensor) (func() error, error) {
	if in[0].DType() == tensor.BF16 {
		return bindSTEGradHalf(out[0].BF16(), in[0].BF16(), in[1].Bytes())
	}
	dx, dy, mask := out[0].F32(), in[0].F32(), in[1].Bytes()
	grain := grainFor(len(dx), 1)
	body := func(lo, hi int) { codes.STEGrad(dx, dy, mask, lo, hi) }
	return func() error { parallel(len(dx), grain, body); return nil }, nil
}

// lsqChunks bounds the parts into which the gradients of scales shared by
// elements far apart are cut.
const lsqChunks = 64

func bindLSQGrad(b *Backend, op backend.Op, out, in []*tensor.Tensor) (func() error, error) {
	o := op.(backend.LSQGrad)
	q, err := newQuantizer(o.Rule, o.Scheme, in[1].Shape(), in[2], in[3])
	if err != nil {
		return nil, err
	}
	dy, x := in[0].F32(), in[1].F32()
	half := newLSQHalves(q, out[0], in[0], in[1])
	var dx []float32
	if half == nil {
		dx = f32Of(out[0], q.n)
	}
	var ds []float32
	if out[1] != nil {
		ds = out[1].F32()
	}
	l := q.layout
	factor := quant.LSQFactor(l.Outer*l.Inner, q.hi)
	if q.n == 0 {
		return func() error { clear(ds); return nil }, nil
	}
	// Each part of the elements has sums of its own, which are then added in
	// order. Where channels are contiguous a part is a block, and it needs
	// sums only of the channels that it touches, from block*LSQBlock/Inner
	// on; neighbours share one at most.
	blocks := (q.n + quant.LSQBlock - 1) / quant.LSQBlock
	contiguous := l.Outer == 1
	first := func(block int) int { return block * quant.LSQBlock / l.Inner }
	chunk, parts := 1, blocks
	sums := l.Channels + blocks
	if !contiguous {
		chunk = (blocks + lsqChunks - 1) / lsqChunks
		parts = (blocks + chunk - 1) / chunk
		sums = parts * l.Channels
	}
	var part []float64
	body := func(p, _ int) {
		lo := p * chunk * quant.LSQBlock
		hi := min(lo+chunk*quant.LSQBlock, q.n)
		var nan int
		switch {
		case contiguous:
			c := first(p)
			off := c * l.Inner
			s := part[c+p : min((hi-1)/l.Inner+1, l.Channels)+p]
			clear(s)
			own := quant.Layout{Outer: 1, Channels: l.Channels - c, Inner: l.Inner}
			if half != nil {
				nan = half.grad(lo, hi, q.scale[c:], q.zero[c:], s, own.From(lo-off))
				break
			}
			nan = codes.LSQGrad(q.rule, dx[off:], dy[off:], x[off:], q.scale[c:], q.zero[c:], q.lo, q.hi, s, own, lo-off, hi-off)
		case half != nil:
			s := part[p*l.Channels : (p+1)*l.Channels]
			clear(s)
			nan = half.grad(lo, hi, q.scale, q.zero, s, l.From(lo))
		default:
			s := part[p*l.Channels : (p+1)*l.Channels]
			clear(s)
			nan = codes.LSQGrad(q.rule, dx, dy, x, q.scale, q.zero, q.lo, q.hi, s, l, lo, hi)
		}
		if nan > 0 {
			q.nan.Add(int64(nan))
		}
	}
	// sum adds part by part into acc, whose memory follows that of the parts.
	sum := func(acc []float64) {
		clear(acc)
		for p := range parts {
			if contiguous {
				c, end := first(p), min((min((p+1)*quant.LSQBlock, q.n)-1)/l.Inner+1, l.Channels)
				for i, v := range part[c+p : end+p] {
					acc[c+i] += v
				}
				continue
			}
			for i, v := range part[p*l.Channels : (p+1)*l.Channels] {
				acc[i] += v
			}
		}
		for c := range ds {
			ds[c] = float32(acc[c] * factor)
		}
	}
	b.scratch.need(8 * (sums + l.Channels))
	return func() error {
		q.nan.Store(0)
		s := b.scratch.take(8 * (sums + l.Channels))
		part = scratchOf[float64](s, 0, sums)
		parallel(parts, 1, body)
		if ds != nil {
			sum(scratchOf[float64](s, 8*sums, l.Channels))
		}
		b.scratch.give(s)
		return nanError(q.nan.Load(), q.n)
	}, nil
}
