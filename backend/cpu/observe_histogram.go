package cpu

import (
	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/quant"
	"github.com/goqat/goqat/tensor"
)

func init() {
	register(backend.ObserveHistogram{}, kernel{types: halves, bind: bindObserveHistogram})
}

// histogramParts bounds the partial histograms.
const histogramParts = 16

func bindObserveHistogram(b *Backend, _ backend.Op, _, in []*tensor.Tensor) (func() error, error) {
	x, half, counts, ends := in[0].F32(), in[0].BF16(), in[1].I64(), in[2].F32()
	n, bins := in[0].Numel(), len(counts)
	e := newExtremes(b, in[0], quant.Layout{Outer: 1, Channels: 1, Inner: n})
	grow := func(lo, hi []float32) error {
		if lo[0] > hi[0] { // No values.
			return nil
		}
		return quant.GrowHistogram(counts, ends, lo[0], hi[0])
	}
	chunk := max(65536, bins, (n+histogramParts-1)/histogramParts)
	parts := (n + chunk - 1) / chunk
	var part []int64
	body := func(lo, hi int) {
		p := lo / chunk * bins
		h := part[p : p+bins]
		clear(h)
		if half == nil {
			quant.CountHistogram(h, ends, x[lo:hi])
			return
		}
		var wide [halfBlock]float32
		for i := lo; i < hi; i += halfBlock {
			quant.CountHistogram(h, ends, realBlock(wide[:], nil, half, i, min(i+halfBlock, hi)))
		}
	}
	b.scratch.need(8 * parts * bins)
	return func() error {
		if err := e.run(grow); err != nil {
			return err
		}
		s := b.scratch.take(8 * parts * bins)
		part = scratchOf[int64](s, 0, parts*bins)
		parallel(n, chunk, body)
		for p := range parts {
			for i, c := range part[p*bins : (p+1)*bins] {
				counts[i] += c
			}
		}
		b.scratch.give(s)
		return nil
	}, nil
}
