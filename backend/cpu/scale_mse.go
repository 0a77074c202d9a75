package cpu

import (
	"fmt"
	"math"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/quant"
	"github.com/goqat/goqat/tensor"
)

func init() {
	register(backend.ScaleMSE{}, kernel{types: []tensor.DType{tensor.F32}, bind: bindScaleMSE})
}

func bindScaleMSE(b *Backend, op backend.Op, _, in []*tensor.Tensor) (func() error, error) {
	o := op.(backend.ScaleMSE)
	l, err := o.Scheme.Layout(in[0].Shape())
	if err != nil {
		return nil, err
	}
	x, scale, zero := in[0].F32(), in[1].F32(), in[2].I32()
	e := newExtremes(b, in[0], l)
	use := searchChannels(b, o, l, x, scale, zero)
	if l.Channels == 1 {
		use = searchTensor(b, o, x, scale, zero)
	}
	return func() error { return e.run(use) }, nil
}

// orZero returns the range of an empty channel as [0, 0].
func orZero(lo, hi float32) (float32, float32) {
	if lo > hi {
		return 0, 0
	}
	return lo, hi
}

// searchChannels searches the scales of many channels, each in one goroutine.
func searchChannels(b *Backend, o backend.ScaleMSE, l quant.Layout, x, scale []float32, zero []int32) func(lo, hi []float32) error {
	var mins, maxs []float32
	var fault firstFault
	qlo, qhi := o.Scheme.Range()
	size := l.Outer * l.Inner
	body := func(from, to int) {
		var gathered *scratch
		if l.Outer > 1 {
			gathered = b.scratch.take(4 * size)
			defer b.scratch.give(gathered)
		}
		for c := from; c < to; c++ {
			var v []float32
			if gathered == nil {
				v = x[c*size : (c+1)*size]
			} else {
				v = gathered.f32(0, size)
				for k := range l.Outer {
					i := (k*l.Channels + c) * l.Inner
					copy(v[k*l.Inner:(k+1)*l.Inner], x[i:i+l.Inner])
				}
			}
			lo, hi := orZero(mins[c], maxs[c])
			s, z, err := quant.SearchShrink(o.Rule, o.Scheme, lo, hi, func(s float32, z int32, bound float64) float64 {
				return quant.SquaredError(o.Rule, v, s, z, qlo, qhi, bound)
			})
			if err != nil {
				fault.set(c, err)
				return
			}
			scale[c], zero[c] = s, z
		}
	}
	grain := max(1, 4096/max(size, 1))
	return func(lo, hi []float32) error {
		mins, maxs = lo, hi
		fault.clear()
		parallel(l.Channels, grain, body)
		return fault.get()
	}
}

// searchTensor searches the one scale of a tensor, whose parts all goroutines
// share for each candidate.
func searchTensor(b *Backend, o backend.ScaleMSE, x, scale []float32, zero []int32) func(lo, hi []float32) error {
	const chunk = 1 << 16
	var trial float32
	var trialZero int32
	var part []float64
	qlo, qhi := o.Scheme.Range()
	parts := (len(x) + chunk - 1) / chunk
	body := func(lo, hi int) {
		part[lo/chunk] = quant.SquaredError(o.Rule, x[lo:hi], trial, trialZero, qlo, qhi, math.Inf(1))
	}
	eval := func(s float32, z int32, _ float64) (sum float64) {
		trial, trialZero = s, z
		parallel(len(x), chunk, body)
		for _, e := range part {
			sum += e
		}
		return sum
	}
	b.scratch.need(8 * parts)
	return func(lo, hi []float32) error {
		mem := b.scratch.take(8 * parts)
		defer b.scratch.give(mem)
		part = scratchOf[float64](mem, 0, parts)
		m, M := orZero(lo[0], hi[0])
		s, z, err := quant.SearchShrink(o.Rule, o.Scheme, m, M, eval)
		if err != nil {
			return fmt.Errorf("cpu: %w", err)
		}
		scale[0], zero[0] = s, z
		return nil
	}
}
