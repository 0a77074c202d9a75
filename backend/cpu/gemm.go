package cpu

import (
	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/backend/cpu/internal/gemm"
	"github.com/goqat/goqat/tensor"
)

func init() {
	register(backend.Gemm{}, kernel{types: floats, bind: func(b *Backend, _ backend.Op, out, in []*tensor.Tensor) (func() error, error) {
		if in[0].DType() == tensor.F64 {
			return bindGemm[float64](b, out, in), nil
		}
		return bindGemm[float32](b, out, in), nil
	}})
	register(backend.GemmGradInput{}, kernel{types: floats, bind: func(b *Backend, op backend.Op, out, in []*tensor.Tensor) (func() error, error) {
		if terms := bf16Terms(op.(backend.GemmGradInput).Precision, in); terms > 0 {
			m, n, k := leading(in[0].Shape()), in[1].Shape()[0], in[1].Shape()[1]
			return bindTimesCodes(b, elements[float32](out[0]), elements[float32](in[0]), newOperand[float32](in, 1), m, n, k, terms), nil
		}
		if in[0].DType() == tensor.F64 {
			return bindGemmGradInput[float64](b, out, in), nil
		}
		return bindGemmGradInput[float32](b, out, in), nil
	}})
	register(backend.GemmGradWeight{}, kernel{types: floats, bind: func(b *Backend, op backend.Op, out, in []*tensor.Tensor) (func() error, error) {
		if terms := bf16Terms(op.(backend.GemmGradWeight).Precision, in); terms > 0 {
			rows, n, k := leading(in[0].Shape()), in[0].Shape().Last(), in[1].Shape().Last()
			return bindSumCodes(b, elements[float32](out[0]), elements[float32](in[0]), newOperand[float32](in, 1), rows, n, k, terms), nil
		}
		if in[0].DType() == tensor.F64 {
			return bindGemmGradWeight[float64](b, out, in), nil
		}
		return bindGemmGradWeight[float32](b, out, in), nil
	}})
}

// leading returns the product of all dimensions but the last.
func leading(s tensor.Shape) int { return s[:len(s)-1].Numel() }

func bindGemm[T float](b *Backend, out, in []*tensor.Tensor) func() error {
	var bias []T
	if len(in) > 2 {
		bias = elements[T](in[2])
	}
	x, w := in[0].Shape(), in[1].Shape()
	return bindProduct(b, elements[T](out[0]), elements[T](in[0]), elements[T](in[1]), bias, leading(x), w[0], w[1])
}

func bindGemmGradInput[T float](b *Backend, out, in []*tensor.Tensor) func() error {
	m, n, k := leading(in[0].Shape()), in[1].Shape()[0], in[1].Shape()[1]
	return bindTimesWeight(b, elements[T](out[0]), elements[T](in[0]), newOperand[T](in, 1), m, n, k)
}

// bindTimesWeight returns dx[m,k] = dy[m,n] w[n,k].
func bindTimesWeight[T float](b *Backend, dx, dy []T, w *operand[T], m, n, k int) func() error {
	p := gemm.New[T](parallel, false, false, m, k, n)
	real := newRealWeight(w, n, k)
	b.scratch.need(real.bytes() + p.Workspace())
	return func() error {
		ws := b.scratch.take(real.bytes() + p.Workspace())
		p.Run(dy, n, real.values(ws.t.Bytes()), k, false, dx, k, ws.t.Bytes()[real.bytes():])
		b.scratch.give(ws)
		return nil
	}
}

// realWeight gives a weight [n,k] as floats.
type realWeight[T float] struct {
	w    *operand[T]
	n, k int
	dst  []T
	body func(lo, hi int)
}

func newRealWeight[T float](w *operand[T], n, k int) *realWeight[T] {
	r := &realWeight[T]{w: w, n: n, k: k}
	r.body = func(lo, hi int) { w.expandRows(r.dst, lo, hi, k) }
	return r
}

// bytes is the scratch that values needs.
func (r *realWeight[T]) bytes() int {
	if r.w.float != nil {
		return 0
	}
	return roundUp64(r.n * r.k * sizeOf[T]())
}

// values returns the weight itself, or its values in ws.
func (r *realWeight[T]) values(ws []byte) []T {
	if r.w.float != nil {
		return r.w.float
	}
	r.w.prepare()
	r.dst = tensor.Cast[T](ws, r.n*r.k)
	parallel(r.n, max(32768/max(r.k, 1), 1), r.body)
	return r.dst
}

func sizeOf[T float]() int {
	var zero T
	if _, ok := any(zero).(float64); ok {
		return 8
	}
	return 4
}

func bindGemmGradWeight[T float](b *Backend, out, in []*tensor.Tensor) func() error {
	dy, x := in[0].Shape(), in[1].Shape()
	rows, n, k := leading(dy), dy.Last(), x.Last()
	op := newOperand[T](in, 1)
	s := &rowSum[T]{rows: rows, m: n, k: k, a: elements[T](in[0]), lda: n, op: op, direct: op.float}
	if op.float == nil {
		s.produce = func(_ int, dst []T, lo, hi int) { op.expand(dst[:(hi-lo)*k], lo*k) }
	}
	s.plan()
	b.scratch.need(s.workspace())
	dw := elements[T](out[0])
	return func() error { s.run(b, dw); return nil }
}
