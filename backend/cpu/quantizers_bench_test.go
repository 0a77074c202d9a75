package cpu

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/quant"
	"github.com/goqat/goqat/tensor"
)

// elementISAs runs bench for every instruction set of the machine that changes
// what elementwise kernels use.
func elementISAs(b *testing.B, name string, bench func(b *testing.B)) {
	before := MaxISA()
	defer func() { _ = SetMaxISA(before) }() // It was right before.
	last := ""
	for _, s := range InstructionSets() {
		if !s.Usable || s.Masked {
			continue
		}
		if err := SetMaxISA(s.Name); err != nil {
			b.Fatal(err)
		}
		used := ""
		for _, k := range KernelISAs() {
			if k.Family == "elementwise" {
				used = k.ISA
			}
		}
		if used != last {
			last = used
			b.Run(name+"/isa="+used, bench)
		}
		if err := SetMaxISA(before); err != nil { // Masked is what before says.
			b.Fatal(err)
		}
	}
}

// copyRate returns the bytes a second, read and written, of copies of n
// floats, by as many threads as kernels use: the limit of operations that
// read and write memory once.
func copyRate(n int) float64 {
	src, dst := make([]float32, n), make([]float32, n)
	for i := range src {
		src[i] = float32(i)
	}
	body := func(lo, hi int) { copy(dst[lo:hi], src[lo:hi]) }
	repeat := max(1<<22/n, 1) // Enough for the clock.
	least := math.Inf(1)
	for range 10 {
		start := time.Now()
		for range repeat {
			parallel(n, grainFor(n, 1), body)
		}
		least = min(least, time.Since(start).Seconds()/float64(repeat))
	}
	return 8 * float64(n) / least
}

// benchElements times kernels, which run in turn, over n values of 32 bits
// and reports the rate at which they move bytes, and its share of that of a
// copy in the same run.
func benchElements(b *testing.B, n, bytes int, bind ...func() (func() error, error)) {
	limit := copyRate(n)
	runs := make([]func() error, len(bind))
	for i, f := range bind {
		run, err := f()
		if err != nil {
			b.Fatal(err)
		}
		runs[i] = run
	}
	b.ReportAllocs()
	for b.Loop() {
		for _, run := range runs {
			if err := run(); err != nil {
				b.Fatal(err)
			}
		}
	}
	rate := float64(bytes) * float64(n) * float64(b.N) / b.Elapsed().Seconds()
	b.ReportMetric(rate/1e9, "GB/s")
	b.ReportMetric(100*rate/limit, "%copy")
}

// quantized has the tensors of quantizers of a matrix.
type quantized struct {
	x, y, dy, dx, mask, scale, zero, ds *tensor.Tensor
}

func newQuantized(rows, cols, scales int) quantized {
	r := rand.New(rand.NewPCG(3, 9))
	float := func(dims ...int) *tensor.Tensor {
		t := tensor.New(tensor.Of(tensor.F32, dims...))
		for i := range t.F32() {
			t.F32()[i] = float32(r.NormFloat64())
		}
		return t
	}
	s := quantized{x: float(rows, cols), y: float(rows, cols), dy: float(rows, cols), dx: float(rows, cols), scale: float(scales), ds: float(scales)}
	for i := range s.scale.F32() {
		s.scale.F32()[i] = 0.02
	}
	s.mask = tensor.New(tensor.Of(tensor.B1, rows, cols))
	s.zero = tensor.New(tensor.Of(tensor.I32, scales))
	return s
}

func bindOp(be *Backend, op backend.Op, out, in []*tensor.Tensor) func() (func() error, error) {
	return func() (func() error, error) { return kernels[op.OpName()].bind(be, op, out, in) }
}

var benchSizes = []struct {
	name       string
	rows, cols int
}{{"64Ki", 256, 256}, {"16Mi", 4096, 4096}}

// BenchmarkFakeQuant is the forward pass with the mask: it reads and writes 4
// bytes a value, and a bit.
func BenchmarkFakeQuant(b *testing.B) {
	be := New()
	for _, size := range benchSizes {
		for _, scheme := range []struct {
			name string
			s    quant.Scheme
		}{{"tensor", quant.Int8()}, {"channel", quant.Weights(8)}} {
			scales := 1
			if scheme.name == "channel" {
				scales = size.rows
			}
			t := newQuantized(size.rows, size.cols, scales)
			elementISAs(b, fmt.Sprintf("grain=%s/n=%s", scheme.name, size.name), func(b *testing.B) {
				benchElements(b, size.rows*size.cols, 8, bindOp(be, backend.FakeQuant{Scheme: scheme.s}, []*tensor.Tensor{t.y, t.mask}, []*tensor.Tensor{t.x, t.scale, t.zero}))
			})
		}
	}
}

// BenchmarkLSQ is the forward pass, which moves 8 bytes a value, and the
// backward pass, which moves 12, of a quantizer with a learned scale.
func BenchmarkLSQ(b *testing.B) {
	be := New()
	for _, size := range benchSizes {
		t := newQuantized(size.rows, size.cols, 1)
		forward := bindOp(be, backend.FakeQuant{Scheme: quant.Int8(), Learn: true}, []*tensor.Tensor{t.y, t.mask}, []*tensor.Tensor{t.x, t.scale, t.zero})
		backward := bindOp(be, backend.LSQGrad{Scheme: quant.Int8()}, []*tensor.Tensor{t.dx, t.ds}, []*tensor.Tensor{t.dy, t.x, t.scale, t.zero})
		for _, pass := range []struct {
			name  string
			bytes int
			bind  []func() (func() error, error)
		}{{"forward+backward", 20, []func() (func() error, error){forward, backward}}, {"backward", 12, []func() (func() error, error){backward}}} {
			elementISAs(b, fmt.Sprintf("pass=%s/n=%s", pass.name, size.name), func(b *testing.B) {
				benchElements(b, size.rows*size.cols, pass.bytes, pass.bind...)
			})
		}
	}
}

// BenchmarkSGDQuantizeWeight is a step of SGD with momentum and the codes of
// the new weight, in one pass (21 bytes a value) and in two (25).
func BenchmarkSGDQuantizeWeight(b *testing.B) {
	be := New()
	sgd, w := backend.SGD{Momentum: 0.9}, quant.Weights(8)
	for _, size := range benchSizes {
		t := newQuantized(size.rows, size.cols, size.rows)
		velocity, rate := newQuantized(size.rows, size.cols, 1).x, tensor.FromF32([]float32{1e-6}, 1)
		codes := tensor.New(tensor.Of(tensor.I8, size.rows, size.cols))
		column := func() *tensor.Tensor { return tensor.New(tensor.Of(tensor.F32, size.rows)) }
		least, most := column(), column()
		step := []*tensor.Tensor{t.x, t.dy, velocity, rate, nil}
		one := bindOp(be, backend.SGDQuantizeWeight{SGD: sgd, Scheme: w}, []*tensor.Tensor{codes, least, most, t.x, velocity}, append(slices.Clone(step), codes, least, most))
		adopt := bindOp(be, backend.AdoptRange{Scheme: w}, nil, []*tensor.Tensor{least, most, column(), column(), t.scale, t.zero})
		states := []*tensor.Tensor{column(), column(), t.scale, t.zero}
		two := []func() (func() error, error){bindOp(be, sgd, []*tensor.Tensor{t.x, velocity}, step[:4]),
			bindOp(be, backend.QuantizeWeight{Scheme: w, Momentum: 1}, append([]*tensor.Tensor{codes, nil}, states...), append([]*tensor.Tensor{t.x}, states...))}
		elementISAs(b, "passes=1/n="+size.name, func(b *testing.B) { benchElements(b, size.rows*size.cols, 21, one, adopt) })
		elementISAs(b, "passes=2/n="+size.name, func(b *testing.B) { benchElements(b, size.rows*size.cols, 25, two...) })
	}
}
