package codes

import (
	"math/rand/v2"
	"testing"

	"github.com/goqat/goqat/backend/cpu/internal/isa"
	"github.com/goqat/goqat/quant"
)

// BenchmarkLoops measures tiles that stay in the caches.
func BenchmarkLoops(b *testing.B) {
	const n, channels = 16384, 64
	r := rand.New(rand.NewPCG(1, 2))
	x := make([]float32, n)
	for i := range x {
		x[i] = float32(r.NormFloat64() * 5)
	}
	y, mask, code, acc := make([]float32, n), make([]byte, n/8), make([]int8, n), make([]int32, n)
	s, z, l := []float32{0.1}, []int32{3}, quant.Layout{Outer: 1, Channels: 1, Inner: n}
	col, add := make([]float32, channels+Wrap), make([]int32, channels+Wrap)
	q := NewRequantizer(quant.ONNX, channels)
	q.Set(add, []quant.Multiplier{{M: 0.001}}, 3, -128, 127)
	fixed := []quant.Rule{{Requant: quant.RequantQ31Double}, {Requant: quant.RequantQ31Single}}
	var byFixed []*Requantizer
	for _, r := range fixed {
		q := NewRequantizer(r, channels)
		q.Set(add, []quant.Multiplier{r.NewMultiplier(0.1, 0.1, 10)}, 3, -128, 127)
		byFixed = append(byFixed, q)
	}
	for _, set := range width.Sets() {
		if err := isa.SetMax(set.String()); err != nil {
			b.Fatal(err)
		}
		for _, c := range []struct {
			name string
			f    func()
		}{
			{"quantize", func() { Quantize(quant.ONNX, code, mask, x, s, z, -128, 127, l, 0, n) }},
			{"fake", func() { FakeQuantize(quant.ONNX, y, mask, x, s, z, -128, 127, l, 0, n) }},
			{"fake reciprocal", func() { FakeQuantize(quant.PyTorch, y, mask, x, s, z, -128, 127, l, 0, n) }},
			{"fake away", func() { FakeQuantize(quant.TFLite, y, mask, x, s, z, -128, 127, l, 0, n) }},
			{"requantize", func() { Requantize(q, code, nil, acc) }},
			{"requantize mask", func() { Requantize(q, code, mask, acc) }},
			{"requantize double", func() { Requantize(byFixed[0], code, nil, acc) }},
			{"requantize double mask", func() { Requantize(byFixed[0], code, mask, acc) }},
			{"requantize single", func() { Requantize(byFixed[1], code, nil, acc) }},
			{"requantize single mask", func() { Requantize(byFixed[1], code, mask, acc) }},
			{"dequantize", func() { DequantizeCodes(y, code, s, z, l, 0, n) }},
			{"dequantize sums", func() { DequantizeSums(y, acc, add, col, col, channels) }},
			{"ste", func() { STEGrad(y, x, mask, 0, n) }},
			{"affine", func() { Affine(y, x, col, col, channels) }},
			{"norm grad", func() { NormGrad(y, y, x, col, col, col, col, channels) }},
			{"extremes", func() { Extremes(x, 0, 0) }},
		} {
			b.Run(set.String()+"/"+c.name, func(b *testing.B) {
				for b.Loop() {
					c.f()
				}
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/n, "ns/element")
			})
		}
	}
	if err := isa.SetMax(""); err != nil {
		b.Fatal(err)
	}
}
