package cpu

import (
	"fmt"
	"math"
	"slices"
	"sync/atomic"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/backend/cpu/internal/codes"
	"github.com/goqat/goqat/quant"
	"github.com/goqat/goqat/tensor"
)

func init() {
	register(backend.ObserveMinMax{}, kernel{types: halves, bind: bindObserveMinMax})
}

func bindObserveMinMax(b *Backend, op backend.Op, _, in []*tensor.Tensor) (func() error, error) {
	o := op.(backend.ObserveMinMax)
	l, err := quant.Scheme{Grain: o.Grain}.Layout(in[0].Shape())
	if err != nil {
		return nil, err
	}
	e := newExtremes(b, in[0], l)
	lo, hi := in[1].F32(), in[2].F32()
	use := func(bmin, bmax []float32) error {
		for c, m := range bmin {
			if M := bmax[c]; m <= M {
				follow(&lo[c], &hi[c], m, M, o.Momentum)
			}
		}
		return nil
	}
	return func() error { return e.run(use) }, nil
}

// follow moves a range by that of a batch.
func follow(lo, hi *float32, m, M, momentum float32) {
	switch {
	case momentum == 1 || *lo > *hi:
		*lo, *hi = m, M
	case momentum == 0:
		*lo, *hi = min(*lo, m), max(*hi, M)
	default:
		*lo += float32(momentum * (m - *lo))
		*hi += float32(momentum * (M - *hi))
	}
}

// extremes finds the least and the greatest element of each channel. Work is
// cut by the layout alone.
type extremes struct {
	b      *Backend
	x      []float32
	half   []tensor.BFloat16 // instead of x
	l      quant.Layout
	chunk  int // rows, channels or elements a part
	n      int // of those in all
	parts  int // partial results to combine, 0 when each channel has one writer
	body   func(lo, hi int)
	bad    atomic.Int64
	lo, hi []float32 // [parts or 1, channels], during a run
	temp   []float32 // [parts, 5, channels], of columns
}

// extremeParts bounds the partial results.
const extremeParts = 64

func newExtremes(b *Backend, x *tensor.Tensor, l quant.Layout) *extremes {
	e := &extremes{b: b, x: x.F32(), half: x.BF16(), l: l}
	switch {
	case l.Channels == 1:
		e.n = x.Numel()
		e.chunk = max(65536, (e.n+extremeParts-1)/extremeParts)
		e.body = e.elements
	case l.Inner < 16 && l.Outer > 1:
		e.n = l.Outer
		row := max(l.Channels*l.Inner, 1)
		e.chunk = max((65536+row-1)/row, (e.n+extremeParts-1)/extremeParts)
		e.body = e.rows
	default:
		e.n = l.Channels
		e.chunk = max(65536/max(l.Outer*l.Inner, 1), 1)
		e.body = e.channels
	}
	if e.l.Channels == 1 || e.l.Inner < 16 && e.l.Outer > 1 {
		e.parts = (e.n + e.chunk - 1) / e.chunk
	}
	b.scratch.need(e.workspace())
	return e
}

// workspace returns the bytes of scratch memory that run takes.
func (e *extremes) workspace() int {
	n := 8 * max(e.parts, 1) * e.l.Channels
	if e.columns() {
		n += 4 * 5 * e.parts * e.l.Channels
	}
	return n
}

// columns reports whether a channel is a column of a matrix.
func (e *extremes) columns() bool { return e.l.Channels > 1 && e.l.Inner == 1 && e.l.Outer > 1 }

// run calls use with the extremes of each channel, +Inf and -Inf for an empty
// one. It fails on a NaN or an infinity without calling use.
func (e *extremes) run(use func(lo, hi []float32) error) error {
	k := max(e.parts, 1) * e.l.Channels
	s := e.b.scratch.take(e.workspace())
	defer e.b.scratch.give(s)
	e.lo, e.hi = s.f32(0, k), scratchOf[float32](s, 4*k, k)
	if e.columns() {
		e.temp = scratchOf[float32](s, 8*k, 5*k)
	}
	for i := range e.lo {
		e.lo[i], e.hi[i] = float32(math.Inf(1)), float32(math.Inf(-1))
	}
	e.bad.Store(0)
	parallel(e.n, e.chunk, e.body)
	if bad := e.bad.Load(); bad > 0 {
		return fmt.Errorf("cpu: observed values: %w", backend.ErrNaN)
	}
	lo, hi := e.lo[:e.l.Channels], e.hi[:e.l.Channels]
	for p := 1; p < e.parts; p++ {
		for c := range lo {
			lo[c] = min(lo[c], e.lo[p*e.l.Channels+c])
			hi[c] = max(hi[c], e.hi[p*e.l.Channels+c])
		}
	}
	for c := range lo {
		if lo[c] <= hi[c] && (math.IsInf(float64(lo[c]), 0) || math.IsInf(float64(hi[c]), 0)) {
			return fmt.Errorf("cpu: %w: observed values reach from %v to %v", quant.ErrRange, lo[c], hi[c])
		}
	}
	return use(lo, hi)
}

// elements handles x[lo:hi], all of one channel.
func (e *extremes) elements(lo, hi int) {
	p := lo / e.chunk
	e.span(lo, hi, &e.lo[p], &e.hi[p])
}

// channels handles channels [lo, hi).
func (e *extremes) channels(lo, hi int) {
	l := e.l
	for c := lo; c < hi; c++ {
		for o := range l.Outer {
			i := (o*l.Channels + c) * l.Inner
			e.span(i, i+l.Inner, &e.lo[c], &e.hi[c])
		}
	}
}

// rows handles rows [lo, hi) of short channels.
func (e *extremes) rows(lo, hi int) {
	l, p := e.l, lo/e.chunk*e.l.Channels
	low, high := e.lo[p:p+l.Channels], e.hi[p:p+l.Channels]
	if l.Inner > 1 {
		for k := lo * l.Channels; k < hi*l.Channels; k++ {
			c := k % l.Channels
			e.span(k*l.Inner, (k+1)*l.Inner, &low[c], &high[c])
		}
		return
	}
	if e.half != nil {
		e.halfRows(low, high, lo, hi)
		return
	}
	// The sums tell of NaNs, which comparisons pass over.
	c := l.Channels
	t := e.temp[5*p : 5*(p+c)]
	zero, sum, least, most := t[:c], t[c:2*c], t[3*c:4*c], t[4*c:]
	clear(zero)
	for r, step := lo, sumRows(c); r < hi; r += step {
		x := e.x[r*c : min(r+step, hi)*c]
		codes.Moments(x, c, zero, sum, t[2*c:3*c], least, most)
		for j, s := range sum {
			if s != s && slices.ContainsFunc(x, func(v float32) bool { return v != v }) {
				e.found(true)
				return
			}
			low[j], high[j] = min(low[j], least[j]), max(high[j], most[j])
		}
	}
}

// halfRows handles rows [lo, hi) of bfloat16 whose channels are columns.
func (e *extremes) halfRows(low, high []float32, lo, hi int) {
	c := e.l.Channels
	for r := lo; r < hi; r++ {
		for j, b := range e.half[r*c : (r+1)*c] {
			v := b.Float32()
			if v != v {
				e.found(true)
				return
			}
			low[j], high[j] = min(low[j], v), max(high[j], v)
		}
	}
}

// span widens [least, most] to hold elements [from, to).
func (e *extremes) span(from, to int, least, most *float32) {
	if e.half == nil {
		e.found(extremesOf(e.x[from:to], least, most))
		return
	}
	var wide [halfBlock]float32
	for i := from; i < to; i += halfBlock {
		e.found(extremesOf(realBlock(wide[:], nil, e.half, i, min(i+halfBlock, to)), least, most))
	}
}

func (e *extremes) found(nan bool) {
	if nan {
		e.bad.Store(1)
	}
}

// extremesOf widens [lo, hi] to hold x and reports whether there is a NaN.
func extremesOf(x []float32, lo, hi *float32) (nan bool) {
	*lo, *hi, nan = codes.Extremes(x, *lo, *hi)
	return nan
}
