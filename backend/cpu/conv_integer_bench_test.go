package cpu

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/backend/cpu/internal/isa"
	"github.com/goqat/goqat/quant"
	"github.com/goqat/goqat/tensor"
)

// BenchmarkConv is convolutions of uint8 codes with weights that do not
// change, requantized.
func BenchmarkConv(b *testing.B) {
	for _, s := range []struct {
		h, c, o, k, stride int
		groups             int
	}{
		{224, 3, 64, 7, 2, 1}, // ResNet-18
		{56, 64, 64, 3, 1, 1},
		{56, 64, 128, 3, 2, 1},
		{56, 64, 128, 1, 2, 1},
		{28, 128, 128, 3, 1, 1},
		{14, 256, 256, 3, 1, 1},
		{7, 512, 512, 3, 1, 1},
		{224, 3, 32, 3, 2, 1}, // MobileNetV2
		{112, 32, 32, 3, 1, 32},
		{112, 96, 96, 3, 2, 96},
		{56, 144, 144, 3, 1, 144},
		{14, 576, 576, 3, 1, 576},
		{112, 16, 96, 1, 1, 1},
		{56, 24, 144, 1, 1, 1},
		{56, 144, 24, 1, 1, 1},
		{14, 64, 384, 1, 1, 1},
		{7, 320, 1280, 1, 1, 1},
		{28, 64, 64, 3, 1, 8}, // grouped
		{28, 128, 128, 5, 1, 128},
	} {
		for _, set := range isa.Sets() {
			if set.Missing() != nil {
				continue
			}
			name := fmt.Sprintf("dtype=u8/in=%dx%dx%d/out=%d/kernel=%d/stride=%d/groups=%d/isa=%v", s.h, s.h, s.c, s.o, s.k, s.stride, s.groups, set)
			b.Run(name, func(b *testing.B) {
				require.NoError(b, isa.SetMax(set.String()))
				defer func() { _ = isa.SetMax("") }()
				benchConv(b, s.h, s.c, s.o, s.k, s.stride, s.groups)
			})
		}
	}
}

func benchConv(b *testing.B, h, c, o, k, stride, groups int) {
	r := rand.New(rand.NewPCG(1, 2))
	x, w := tensor.New(tensor.Of(tensor.U8, 1, h, h, c)), tensor.New(tensor.Of(tensor.I8, o, k, k, c/groups))
	for i := range x.U8() {
		x.U8()[i] = uint8(r.Uint32())
	}
	for i := range w.I8() {
		w.I8()[i] = int8(r.Uint32())
	}
	w.Freeze()
	sw := make([]float32, o)
	fill(sw, 0.001)
	p := k / 2
	op := backend.QLinearConv{Conv: backend.Conv{Window: backend.Window{Stride: [2]int{stride, stride}, Pad: [4]int{p, p, p, p}}, Groups: groups},
		Rule: quant.ONNX, Lo: float32(math.Inf(-1)), Hi: float32(math.Inf(1)), Scheme: quant.UInt8()}
	oh := (h+2*p-k)/stride + 1
	y := tensor.New(tensor.Of(tensor.U8, 1, oh, oh, o))
	f32, i32 := func(v float32) *tensor.Tensor { return tensor.FromF32([]float32{v}, 1) }, func(v int32) *tensor.Tensor { return tensor.FromI32([]int32{v}, 1) }
	kernel, err := New().Bind(op, []backend.Buffer{y, nil}, []backend.Buffer{x, f32(0.1), i32(128), w, tensor.FromF32(sw, o), nil, f32(0.2), i32(100), nil})
	require.NoError(b, err)
	ctx := context.Background()
	b.ReportAllocs()
	for b.Loop() {
		if err := kernel.Run(ctx); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(2*float64(oh*oh*o*k*k*c/groups)*float64(b.N)/b.Elapsed().Seconds()/1e9, "GOP/s")
}
