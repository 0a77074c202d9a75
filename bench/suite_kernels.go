package bench

import (
	"context"
	"math/rand/v2"
	"runtime"
	"sync"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/quant"
	"github.com/goqat/goqat/tensor"
)

// kernelFigures are single operations. Inputs are fresh random numbers: zeros
// would flatter. GB/s count one read and one write of float32, whatever else
// an operation reads or writes.
func kernelFigures() []figure {
	const values, side, n = 16 << 20, 4096, 1024
	moved := perSecond(8 * values)
	done := perSecond(2 * n * n * n)
	perTensor := tensor.Shape{values}
	return []figure{
		{"copy/f32/16Mi", "GB/s", func(context.Context, backend.Backend) (func(int) error, error) { return copyRun(values), nil }, moved},
		{"fakequant/per-tensor/16Mi", "GB/s", func(ctx context.Context, b backend.Backend) (func(int) error, error) {
			return fakeQuantRun(ctx, b, backend.FakeQuant{Scheme: quant.Int8()}, perTensor, 1)
		}, moved},
		{"fakequant/per-channel/4096x4096", "GB/s", func(ctx context.Context, b backend.Backend) (func(int) error, error) {
			return fakeQuantRun(ctx, b, backend.FakeQuant{Scheme: quant.Weights(8)}, tensor.Shape{side, side}, side)
		}, moved},
		{"lsq/16Mi", "GB/s", func(ctx context.Context, b backend.Backend) (func(int) error, error) {
			return lsqRun(ctx, b, perTensor)
		}, moved},
		{"gemm/s8/1024", "GOP/s", func(ctx context.Context, b backend.Backend) (func(int) error, error) {
			codes := tensor.Of(tensor.I8, n, n)
			o := operands{ctx: ctx, b: b}
			in := []backend.Buffer{o.random(codes), o.f32(0.02), o.i32(0), o.random(codes), o.f32(repeat(0.01, n)...), o.f32(repeat(0.5, n)...)}
			return o.run(backend.GemmDequant{}, in, tensor.Of(tensor.F32, n, n))
		}, done},
		{"gemm/f32/1024", "GOP/s", func(ctx context.Context, b backend.Backend) (func(int) error, error) {
			s := tensor.Of(tensor.F32, n, n)
			o := operands{ctx: ctx, b: b}
			in := []backend.Buffer{o.random(s), o.random(s), nil}
			return o.run(backend.Gemm{}, in, s)
		}, done},
	}
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
	r := rand.New(rand.NewPCG(o.count, 7))
	if s.DType == tensor.F32 {
		for i, x := 0, t.F32(); i < len(x); i++ {
			x[i] = float32(r.NormFloat64())
		}
	} else {
		for i, x := 0, t.Bytes(); i < len(x); i++ {
			x[i] = byte(r.Uint32())
		}
	}
	return o.put(t)
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
