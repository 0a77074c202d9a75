package cpu

import (
	"math"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/backend/cpu/internal/codes"
	"github.com/goqat/goqat/quant"
	"github.com/goqat/goqat/tensor"
)

func init() {
	register(backend.WeightCodes{}, kernel{types: []tensor.DType{tensor.F32}, bind: func(_ *Backend, op backend.Op, out, in []*tensor.Tensor) (func() error, error) {
		o := op.(backend.WeightCodes)
		w, err := newWeightCoder(o.Rule, o.Scheme, in[0], out)
		if err != nil {
			return nil, err
		}
		return w.run(func(int, int) {}), nil
	}})
}

// weightCoder makes the codes of rows of a tensor, each row a channel, by the
// range of the row.
type weightCoder struct {
	x           []float32
	least, most []float32 // [channels]
	l           quant.Layout
	encode      func(from, to int) // rows, by scale and zero
	scale       []float32
	zero        []int32
	rule        quant.Rule
	scheme      quant.Scheme
}

// newWeightCoder makes codes, least and greatest, out, of x. Each may be nil.
func newWeightCoder(r quant.Rule, s quant.Scheme, x *tensor.Tensor, out []*tensor.Tensor) (*weightCoder, error) {
	l, err := s.Layout(x.Shape())
	if err != nil {
		return nil, err
	}
	w := &weightCoder{x: x.F32(), l: l, rule: r, scheme: s, scale: make([]float32, l.Channels), zero: make([]int32, l.Channels),
		least: f32Of(out[1], l.Channels), most: f32Of(out[2], l.Channels)}
	switch {
	case out[0] == nil:
		w.encode = func(int, int) {}
	case s.Signed:
		w.encode = encodeRows(w, out[0].I8())
	default:
		w.encode = encodeRows(w, out[0].U8())
	}
	return w, nil
}

func encodeRows[T quant.Code](w *weightCoder, y []T) func(from, to int) {
	lo, hi := w.scheme.Range()
	return func(from, to int) {
		codes.Quantize(w.rule, y, nil, w.x, w.scale, w.zero, lo, hi, w.l, from*w.l.Inner, to*w.l.Inner)
		for c := from; c < to; c++ {
			if w.scale[c] == 0 { // No scale is.
				clear(y[c*w.l.Inner : (c+1)*w.l.Inner])
			}
		}
	}
}

// rows makes the codes of rows from to to, which the cache should hold.
func (w *weightCoder) rows(from, to int) {
	for c := from; c < to; c++ {
		m, M, nan := codes.Extremes(w.x[c*w.l.Inner:(c+1)*w.l.Inner], float32(math.Inf(1)), float32(math.Inf(-1)))
		if nan {
			m = float32(math.NaN())
			M = m
		}
		s, z, err := w.rule.ScaleZero(w.scheme, m, M)
		if err != nil {
			s, z = 0, 0
		}
		w.least[c], w.most[c], w.scale[c], w.zero[c] = m, M, s, z
	}
	w.encode(from, to)
}

// cachedElements is how many elements are updated before they are quantized: they
// and what updates them stay in the second-level cache, and mostly in the first.
const cachedElements = 8192

// run returns a kernel that updates elements and makes the codes of the rows
// they are in.
func (w *weightCoder) run(update func(lo, hi int)) func() error {
	step := max(cachedElements/max(w.l.Inner, 1), 1)
	body := func(from, to int) {
		for r := from; r < to; r += step {
			end := min(r+step, to)
			update(r*w.l.Inner, end*w.l.Inner)
			w.rows(r, end)
		}
	}
	grain := (max(4*cachedElements/max(w.l.Inner, 1), 1) + step - 1) / step * step
	return func() error { parallel(w.l.Channels, grain, body); return nil }
}
