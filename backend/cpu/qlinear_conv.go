package cpu

import (
	"fmt"
	"math"
	"slices"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/backend/cpu/internal/codes"
	"github.com/goqat/goqat/backend/cpu/internal/gemm"
	"github.com/goqat/goqat/quant"
	"github.com/goqat/goqat/tensor"
)

func init() {
	register(backend.QLinearConv{}, kernel{supports: codesAt(0, 3), bind: func(b *Backend, op backend.Op, out, in []*tensor.Tensor) (func() error, error) {
		o := op.(backend.QLinearConv)
		q := &requantizer{rule: o.Rule, scheme: o.Scheme, lo: o.Lo, hi: o.Hi}
		return bindQLinear(b, newConvShape(o.Conv, in[0].Shape(), in[3].Shape()), q, out, in)
	}})
}

// bindQLinear prepares a layer with inputs cx, sx, zx, cw, sw, zw?, sy, zy,
// bias? from codes to codes.
func bindQLinear(b *Backend, g convShape, q *requantizer, out, in []*tensor.Tensor) (func() error, error) {
	if out[0] == nil && out[1] == nil {
		return idle, nil
	}
	q.sx, q.sw, q.sy, q.zy, q.bias = reals(in, 1), reals(in, 4), reals(in, 6), ints(in, 7), ints(in, 8)
	return newCodeConv(b, g, in[0], in[3], ints(in, 2), ints(in, 5), func(p codeProduct) accEpilogue {
		return q.epilogue(p, out)
	})
}

// requantizer is the epilogue from accumulators to codes.
type requantizer struct {
	rule       quant.Rule
	scheme     quant.Scheme
	lo, hi     float32 // bounds of a folded activation
	sx, sw, sy []float32
	zy, bias   []int32

	add  []int32 // offset + bias
	m    []quant.Multiplier
	sum  *codes.Requantizer
	last preparation
}

// preparation is what a requantizer was last prepared for.
type preparation struct {
	valid  bool
	sx, sy float32
	zy     int32
	sw     []float32
	add    []int32
}

// epilogue returns the epilogue that writes codes and mask, out.
func (q *requantizer) epilogue(p codeProduct, out []*tensor.Tensor) accEpilogue {
	q.add = make([]int32, p.cols)
	q.m = make([]quant.Multiplier, min(len(q.sw), p.cols))
	q.last = preparation{sw: make([]float32, len(q.sw)), add: make([]int32, p.cols)}
	q.sum = codes.NewRequantizer(q.rule, p.cols)
	var mask []byte
	if out[1] != nil {
		mask = out[1].Bytes()
	}
	e := accEpilogue{whole: mask != nil, prepare: func() error { return q.prepare(p.offset) }}
	if q.scheme.Signed {
		finishCodes(q, &e, resultCodes[int8](out[0], p), mask)
	} else {
		finishCodes(q, &e, resultCodes[uint8](out[0], p), mask)
	}
	return e
}

// resultCodes returns the codes of t, or memory for those that nobody wants.
func resultCodes[T quant.Code](t *tensor.Tensor, p codeProduct) []T {
	if t == nil {
		return make([]T, p.rows*p.cols)
	}
	return tensor.Cast[T](t.Bytes(), p.rows*p.cols)
}

func finishCodes[T quant.Code](q *requantizer, e *accEpilogue, dst []T, mask []byte) {
	e.finish = func(b gemm.IntBlock) { codes.RequantizeBlock(q.sum, dst, mask, b) }
	if mask == nil {
		e.codes = func() *gemm.IntCodes { return codes.InKernel(q.sum, dst) }
	}
}

// prepare reads scales and zero points, which may have changed since the last
// run.
func (q *requantizer) prepare(offset []int32) error {
	copy(q.add, offset)
	for i, v := range q.bias {
		q.add[i] += v
	}
	p := &q.last
	if p.valid && p.sx == q.sx[0] && p.sy == q.sy[0] && p.zy == q.zy[0] && slices.Equal(p.sw, q.sw) && slices.Equal(p.add, q.add) {
		return nil
	}
	p.valid = false
	lo, hi := q.scheme.Range()
	sy := q.sy[0]
	zero := q.zy[0]
	if err := backend.CheckResultZero(zero, lo, hi); err != nil {
		return fmt.Errorf("cpu: %w", err)
	}
	for i := range q.m {
		q.m[i] = q.rule.NewMultiplier(q.sx[0], q.sw[i], sy)
		if v := q.m[i].Real(); v != v || math.IsInf(v, 0) {
			return fmt.Errorf("cpu: scale %v * %v / %v of channel %d: %w", q.sx[0], q.sw[i], sy, i, backend.ErrNaN)
		}
	}
	lo, hi = codeBounds(q.rule, q.lo, q.hi, sy, zero, lo, hi)
	q.sum.Set(q.add, q.m, zero, lo, hi)
	p.valid, p.sx, p.sy, p.zy = true, q.sx[0], sy, zero
	copy(p.sw, q.sw)
	copy(p.add, q.add)
	return nil
}

// codeBounds narrows the code range [lo, hi] to the codes of the real bounds
// of an activation, infinite ones changing nothing.
func codeBounds(r quant.Rule, realLo, realHi, scale float32, zero, lo, hi int32) (codeLo, codeHi int32) {
	codeLo, codeHi = lo, hi
	if !math.IsInf(float64(realLo), -1) {
		codeLo, _ = r.Quantize(realLo, scale, zero, lo, hi)
	}
	if !math.IsInf(float64(realHi), 1) {
		codeHi, _ = r.Quantize(realHi, scale, zero, lo, hi)
	}
	return codeLo, codeHi
}
