package bench

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"sync"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/backend/cpu"
	"github.com/goqat/goqat/graph"
	"github.com/goqat/goqat/program"
	"github.com/goqat/goqat/quant"
	"github.com/goqat/goqat/tensor"
)

// kernelFigures are single operations, and what the units of one core can do at
// most (peak), of which a product has its share. Inputs are fresh random numbers: zeros
// would flatter. GB/s count one read and one write of float32, whatever else
// an operation reads or writes.
func kernelFigures() []figure {
	const values, side = 16 << 20, 4096
	moved := perSecond(8 * values)
	perTensor, matrix := tensor.Shape{values}, tensor.Shape{side, side}
	type prepare = func(ctx context.Context, b backend.Backend) (func(int) error, error)
	var fs []figure
	add := func(name, unit string, p prepare, value func(float64) float64) {
		fs = append(fs, figure{name: name, unit: unit, prepare: p, value: value})
	}
	add("copy/f32/16Mi", "GB/s", func(context.Context, backend.Backend) (func(int) error, error) { return copyRun(values), nil }, moved)
	add("fakequant/per-tensor/16Mi", "GB/s", func(ctx context.Context, b backend.Backend) (func(int) error, error) {
		return fakeQuantRun(ctx, b, backend.FakeQuant{Scheme: quant.Int8()}, perTensor, 1)
	}, moved)
	add("fakequant/per-channel/4096x4096", "GB/s", func(ctx context.Context, b backend.Backend) (func(int) error, error) {
		return fakeQuantRun(ctx, b, backend.FakeQuant{Scheme: quant.Weights(8)}, matrix, side)
	}, moved)
	add("fakequant-observe/per-tensor/16Mi", "GB/s", func(ctx context.Context, b backend.Backend) (func(int) error, error) {
		return observeRun(ctx, b, perTensor)
	}, moved)
	add("lsq/16Mi", "GB/s", func(ctx context.Context, b backend.Backend) (func(int) error, error) {
		return lsqRun(ctx, b, perTensor)
	}, moved)
	for _, n := range []int{1024, 2048} {
		add(fmt.Sprintf("gemm/s8/%d", n), "GOP/s", func(ctx context.Context, b backend.Backend) (func(int) error, error) {
			return codeProductRun(ctx, b, n)
		}, products(n))
	}
	add("gemm/f32/1024", "GOP/s", func(ctx context.Context, b backend.Backend) (func(int) error, error) {
		return productRun(ctx, b, "nt", 1024)
	}, products(1024))
	for _, n := range []int{512, 1024, 2048} {
		for _, form := range []string{"nn", "nt", "tn"} {
			add(fmt.Sprintf("gemm/f32/%d/%s", n, form), "GOP/s", func(ctx context.Context, b backend.Backend) (func(int) error, error) {
				return productRun(ctx, b, form, n)
			}, products(n))
		}
	}
	for _, p := range []struct{ name, kind string }{{"s8", cpu.PeakInt8}, {"f32", cpu.PeakFloat32}, {"bf16", cpu.PeakBFloat16}} {
		fs = append(fs, figure{name: "peak/" + p.name, unit: "GOP/s", count: func(context.Context, backend.Backend) (float64, error) {
			rate, _, ok := cpu.PeakRate(p.kind)
			if !ok {
				return 0, fmt.Errorf("the loop of the unit's peak is %w", errNotHere)
			}
			return rate / 1e9, nil
		}})
	}
	return fs
}

// products is the value of a figure of a product of square matrices, whose
// multiplications and additions count each.
func products(n int) func(float64) float64 {
	return perSecond(2 * float64(n) * float64(n) * float64(n))
}

// codeProductRun is a layer on codes of the whole range whose weights do not
// change, so that they are packed once; the sums become floats.
func codeProductRun(ctx context.Context, b backend.Backend, n int) (func(int) error, error) {
	codes := tensor.Of(tensor.I8, n, n)
	o := operands{ctx: ctx, b: b}
	in := []backend.Buffer{o.random(codes), o.f32(0.02), o.i32(0), o.constant(o.random(codes)), o.f32(repeat(0.01, n)...), o.f32(repeat(0.5, n)...)}
	return o.run(backend.GemmDequant{}, in, tensor.Of(tensor.F32, n, n))
}

// productRun is one of the three products of training, named by the operands
// as they are stored, n as they are and t transposed: x*w^T forward, dy*w and
// dy^T*x backward.
func productRun(ctx context.Context, b backend.Backend, form string, n int) (func(int) error, error) {
	s := tensor.Of(tensor.F32, n, n)
	o := operands{ctx: ctx, b: b}
	in := []backend.Buffer{o.random(s), o.random(s)}
	switch form {
	case "nn":
		return o.run(backend.GemmGradInput{}, in, s)
	case "tn":
		return o.run(backend.GemmGradWeight{}, in, s)
	}
	return o.run(backend.Gemm{}, append(in, nil), s)
}

// copyRun is the limit that operations on elements are compared with: memory
// copied by all threads at once.
func copyRun(values int) func(int) error {
	src, dst := make([]float32, values), make([]float32, values)
	r := rand.New(rand.NewPCG(1, 1))
	for i := range src {
		src[i] = r.Float32()
	}
	const piece = 1 << 18
	return func(int) error {
		threads := runtime.GOMAXPROCS(0)
		if threads == 1 {
			copy(dst, src)
			return nil
		}
		var wg sync.WaitGroup
		pieces := (values + piece - 1) / piece
		for t := range threads {
			wg.Go(func() {
				lo, hi := pieces*t/threads*piece, min(pieces*(t+1)/threads*piece, values)
				copy(dst[lo:hi], src[lo:hi])
			})
		}
		wg.Wait()
		return nil
	}
}

// fakeQuantRun is the forward pass with the mask that training keeps.
func fakeQuantRun(ctx context.Context, b backend.Backend, op backend.FakeQuant, shape tensor.Shape, scales int) (func(int) error, error) {
	o := operands{ctx: ctx, b: b}
	in := []backend.Buffer{o.random(tensor.Of(tensor.F32, shape...)), o.f32(repeat(0.02, scales)...), o.i32(make([]int32, scales)...)}
	return o.run(op, in, tensor.Of(tensor.F32, shape...), tensor.Of(tensor.B1, shape...))
}

// observeRun is what a training step does to a tensor while ranges are
// observed: its range into the moving average, scale and zero point from
// that, and the forward pass with the mask.
func observeRun(ctx context.Context, b backend.Backend, shape tensor.Shape) (func(int) error, error) {
	g := graph.New()
	state := func(name string, t *tensor.Tensor) graph.Value { return g.State(name, t) }
	x := g.Input("x", tensor.Of(tensor.F32, shape...))
	scheme := quant.Int8()
	r := g.ApplyN(backend.ObserveMinMax{Momentum: 0.01}, x, state("min", tensor.FromF32([]float32{float32(math.Inf(1))}, 1)), state("max", tensor.FromF32([]float32{float32(math.Inf(-1))}, 1)))
	q := g.ApplyN(backend.ScaleZero{Scheme: scheme}, r[0], r[1], state("scale", tensor.FromF32([]float32{1}, 1)), state("zero", tensor.FromI32([]int32{0}, 1)))
	y := g.ApplyN(backend.FakeQuant{Scheme: scheme}, x, q[0], q[1])
	g.Output("y", y[0])
	g.Output("mask", y[1])
	p, err := program.Compile(ctx, g, program.Options{Backend: b, Lowered: true})
	if err != nil {
		return nil, err
	}
	t := tensor.New(tensor.Of(tensor.F32, shape...))
	fill(t, 1)
	if err := p.SetInput(ctx, "x", t); err != nil {
		return nil, err
	}
	return func(int) error { return p.Run(ctx) }, nil
}

// lsqRun is forward and backward pass of a quantizer with a learned scale.
func lsqRun(ctx context.Context, b backend.Backend, shape tensor.Shape) (func(int) error, error) {
	o := operands{ctx: ctx, b: b}
	spec := tensor.Of(tensor.F32, shape...)
	x, scale, zero := o.random(spec), o.f32(0.02), o.i32(0)
	forward, err := o.run(backend.FakeQuant{Scheme: quant.Int8(), Learn: true}, []backend.Buffer{x, scale, zero}, spec, tensor.Of(tensor.B1, shape...))
	if err != nil {
		return nil, err
	}
	backward, err := o.run(backend.LSQGrad{Scheme: quant.Int8()}, []backend.Buffer{o.random(spec), x, scale, zero}, spec, tensor.Of(tensor.F32, 1))
	if err != nil {
		return nil, err
	}
	return func(i int) error {
		if err := forward(i); err != nil {
			return err
		}
		return backward(i)
	}, nil
}

// operands makes the buffers of one operation and keeps the first error.
type operands struct {
	ctx   context.Context
	b     backend.Backend
	count uint64
	err   error
}

func (o *operands) put(t *tensor.Tensor) backend.Buffer {
	if o.err != nil {
		return nil
	}
	b, err := o.b.Alloc(t.Spec())
	if err == nil {
		err = o.b.Write(o.ctx, b, t.Bytes())
	}
	o.err = err
	return b
}

func (o *operands) f32(v ...float32) backend.Buffer { return o.put(tensor.FromF32(v, len(v))) }
func (o *operands) i32(v ...int32) backend.Buffer   { return o.put(tensor.FromI32(v, len(v))) }

// random returns normal float32 values, or codes of the whole range.
func (o *operands) random(s tensor.Spec) backend.Buffer {
	t := tensor.New(s)
	o.count++
	fill(t, o.count)
	return o.put(t)
}

// constant declares that what is in b stays as it is.
func (o *operands) constant(b backend.Buffer) backend.Buffer {
	if f, ok := b.(interface{ Freeze() }); ok {
		f.Freeze()
	}
	return b
}

// fill writes what [operands.random] returns.
func fill(t *tensor.Tensor, seed uint64) {
	r := rand.New(rand.NewPCG(seed, 7))
	if t.DType() == tensor.F32 {
		for i, x := 0, t.F32(); i < len(x); i++ {
			x[i] = float32(r.NormFloat64())
		}
		return
	}
	for i, x := 0, t.Bytes(); i < len(x); i++ {
		x[i] = byte(r.Uint32())
	}
}

// run binds an operation.
func (o *operands) run(op backend.Op, in []backend.Buffer, outs ...tensor.Spec) (func(int) error, error) {
	out := make([]backend.Buffer, len(outs))
	for i, s := range outs {
		if o.err != nil {
			return nil, o.err
		}
		out[i], o.err = o.b.Alloc(s)
	}
	if o.err != nil {
		return nil, o.err
	}
	k, err := o.b.Bind(op, out, in)
	if err != nil {
		return nil, err
	}
	return func(int) error {
		if err := k.Run(o.ctx); err != nil {
			return err
		}
		return o.b.Sync(o.ctx)
	}, nil
}

func repeat(v float32, n int) []float32 {
	s := make([]float32, n)
	for i := range s {
		s[i] = v
	}
	return s
}
