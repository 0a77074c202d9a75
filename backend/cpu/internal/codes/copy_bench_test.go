package codes

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/goqat/goqat/quant"
)

// BenchmarkBesideCopy runs loops on tensors far larger than the caches in
// turns with a copy, and reports the median of their GB/s and its share of the
// copy's: 100 is the speed of memory.
func BenchmarkBesideCopy(b *testing.B) {
	const n, channels = 16 << 20, 64
	r := rand.New(rand.NewPCG(1, 2))
	x, dy := make([]float32, n), make([]float32, n)
	for i := range x {
		x[i], dy[i] = float32(r.NormFloat64()), float32(r.NormFloat64())
	}
	y, mask, code, ds := make([]float32, n), make([]byte, n/8), make([]int8, n), make([]float64, 1)
	s, z, l := []float32{0.02}, []int32{0}, quant.Layout{Outer: 1, Channels: 1, Inner: n}
	col, sums := make([]float32, channels+Wrap), make([]float32, 4*channels)
	act := Activation{Channels: channels, Scale: column(r, channels, 1), Shift: column(r, channels, 1), High: 6}
	const block = 256 * channels
	rows := func(f func(from, to int)) func() {
		return func() {
			for i := 0; i < n; i += block {
				f(i, i+block)
			}
		}
	}
	for _, c := range []struct {
		name  string
		bytes float64 // of an element, read and written
		f     func()
	}{
		{"fake+mask", 8.125, func() { FakeQuantize(quant.ONNX, y, mask, x, s, z, -128, 127, l, 0, n) }},
		{"quantize+mask", 5.125, func() { Quantize(quant.ONNX, code, mask, x, s, z, -128, 127, l, 0, n) }},
		{"activation+quantize+mask", 5.125, func() { QuantizeActivation(quant.ONNX, &act, code, mask, x, 0.02, 0, -128, 127) }},
		{"extremes", 4, func() { Extremes(x, 0, 0) }},
		{"moments", 4, rows(func(i, j int) { Moments(x[i:j], channels, col, sums[:64], sums[64:128], sums[128:192], sums[192:]) })},
		{"products", 8, rows(func(i, j int) { Products(dy[i:j], x[i:j], channels, col, sums[:64], sums[64:128]) })},
		{"ste", 8.125, func() { STEGrad(y, dy, mask, 0, n) }},
		{"lsq", 12, func() { LSQGrad(quant.ONNX, y, dy, x, s, z, -128, 127, ds, l, 0, n) }},
		{"clamp", 8, func() { Clamp(y, x, 0, 6) }},
		{"clamp grad", 12, func() { ClampGrad(y, dy, x, 0, 6) }},
		{"norm grad", 12, func() { NormGrad(y, dy, x, col, col, col, col, channels) }},
		{"sgd", 20, func() { SGD(SGDFactors{Rate: 1e-9, Momentum: 0.9}, y, dy, x) }},
	} {
		b.Run(c.name, func(b *testing.B) {
			var own, other []time.Duration
			for b.Loop() {
				at := time.Now()
				c.f()
				own = append(own, time.Since(at))
				at = time.Now()
				copy(y, x)
				other = append(other, time.Since(at))
			}
			slices.Sort(own)
			slices.Sort(other)
			rate, limit := n*c.bytes/own[len(own)/2].Seconds(), n*8/other[len(other)/2].Seconds()
			b.ReportMetric(rate/1e9, "GB/s")
			b.ReportMetric(100*rate/limit, "%copy")
		})
	}
}
