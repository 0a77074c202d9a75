package cpu

import (
	"math"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/backend/cpu/internal/codes"
	"github.com/goqat/goqat/tensor"
)

func init() {
	register(backend.ClampRange{}, kernel{types: []tensor.DType{tensor.F32}, bind: func(_ *Backend, op backend.Op, out, in []*tensor.Tensor) (func() error, error) {
		o := op.(backend.ClampRange)
		x, ends := in[0].F32(), f32Of(out[0], 2)
		if len(in) > 1 && in[1] != nil {
			of := in[1].F32()
			return func() error {
				ends[0], ends[1] = of[0], of[1]
				if !(of[0] > of[1]) { // Nothing has no ends to clamp.
					ends[0], ends[1] = min(max(of[0], o.Lo), o.Hi)+0, min(max(of[1], o.Lo), o.Hi)+0
				}
				return nil
			}, nil
		}
		size := max(65536, (len(x)+extremeParts-1)/extremeParts)
		e := newClampedEnds(len(x), size, o.Lo, o.Hi)
		body := func(lo, hi int) { e.add(x, lo, hi) }
		return func() error {
			parallel(len(x), size, body)
			ends[0], ends[1] = e.all()
			return nil
		}, nil
	}})
}

// clampedEnds finds the least and the greatest clamped element of a tensor,
// tile by tile.
type clampedEnds struct {
	size   int
	lo, hi float32
	parts  [][2]float32
}

func newClampedEnds(n, size int, lo, hi float32) *clampedEnds {
	return &clampedEnds{size: size, lo: lo, hi: hi, parts: make([][2]float32, (n+size-1)/size)}
}

// add looks at the tile x[from:to].
func (e *clampedEnds) add(x []float32, from, to int) {
	least, most, nan := codes.Extremes(x[from:to], float32(math.Inf(1)), float32(math.Inf(-1)))
	if nan {
		least, most = float32(math.NaN()), float32(math.NaN())
	}
	e.parts[from/e.size] = [2]float32{least, most}
}

// all returns the ends of all tiles.
func (e *clampedEnds) all() (lo, hi float32) {
	lo, hi = float32(math.Inf(1)), float32(math.Inf(-1))
	for _, p := range e.parts {
		lo, hi = min(lo, min(max(p[0], e.lo), e.hi)), max(hi, min(max(p[1], e.lo), e.hi))
	}
	return lo + 0, hi + 0
}
