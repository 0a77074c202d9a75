//go:build cuda

package main

import (
	"fmt"
	"math"
	"math/bits"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/quant"
	"github.com/goqat/goqat/tensor"
)

// groups returns what is measured. Sizes that do not fit into memory are
// left out by the error of their allocation, which the result names.
func (r *bencher) groups() []group {
	lengths, sides, step := []int{1 << 28, 1 << 29, 1 << 30}, []int{4096, 8192}, [3]int{16384, 4096, 4096}
	train := 1 << 28
	if r.tiny {
		lengths, sides, step, train = []int{1 << 12}, []int{64}, [3]int{64, 32, 32}, 1<<12
	}
	var gs []group
	for _, n := range lengths {
		gs = append(gs, group{"quantizers of " + power(n), func(a *arena) ([]task, error) { return quantizers(a, n) }})
	}
	gs = append(gs, group{"optimizers of " + power(train), func(a *arena) ([]task, error) { return optimizers(a, train) }})
	for _, n := range sides {
		gs = append(gs, group{fmt.Sprintf("products of %d^3", n), func(a *arena) ([]task, error) { return products(a, n) }})
	}
	return append(gs, group{fmt.Sprintf("QAT linear step %dx%dx%d", step[0], step[1], step[2]), func(a *arena) ([]task, error) {
		return linearStep(a, step[0], step[1], step[2])
	}})
}

func power(n int) string { return fmt.Sprintf("2^%d float32", bits.Len(uint(n))-1) }

// quantizers are the elementwise kernels, beside the driver's copy.
func quantizers(a *arena, n int) ([]task, error) {
	x, err := a.random(tensor.Of(tensor.F32, n))
	if err != nil {
		return nil, err
	}
	y, err := a.zeros(tensor.Of(tensor.F32, n))
	if err != nil {
		return nil, err
	}
	scale, err := a.floats(0.02)
	if err != nil {
		return nil, err
	}
	zero, err := a.zeros(tensor.Of(tensor.I32, 1))
	if err != nil {
		return nil, err
	}
	lo, err := a.floats(float32(math.Inf(1)))
	if err != nil {
		return nil, err
	}
	hi, err := a.floats(float32(math.Inf(-1)))
	if err != nil {
		return nil, err
	}
	c, err := a.r.b.BindCopy(y, x)
	if err != nil {
		return nil, err
	}
	a.ks = append(a.ks, c)
	f := float64(n)
	ts := []task{{"copy", []backend.Kernel{c}, 8 * f, 0}}
	s := quant.Int8()
	size := " " + power(n)
	ts = a.add(ts, "fake_quant"+size, 8.125*f, 0, backend.FakeQuant{Scheme: s}, x, scale, zero)
	ts = a.add(ts, "quantize_linear"+size, 5.125*f, 0, backend.QuantizeLinear{Scheme: s}, x, scale, zero)
	ts = a.add(ts, "lsq_grad"+size, 12*f, 0, backend.LSQGrad{Scheme: s}, x, x, scale, zero)
	return a.add(ts, "observe_min_max"+size, 4*f, 0, backend.ObserveMinMax{Momentum: 0.1}, x, lo, hi), nil
}

// optimizers are the updates of parameters.
func optimizers(a *arena, n int) ([]task, error) {
	var in []backend.Buffer
	for i := range 4 {
		fill := a.random
		if i >= 2 { // The moments start at zero.
			fill = a.zeros
		}
		x, err := fill(tensor.Of(tensor.F32, n))
		if err != nil {
			return nil, err
		}
		in = append(in, x)
	}
	lr, err := a.floats(1e-3)
	if err != nil {
		return nil, err
	}
	step, err := a.zeros(tensor.Of(tensor.I64, 1))
	if err != nil {
		return nil, err
	}
	if err := a.r.b.Write(a.r.ctx, step, tensor.Raw([]int64{1})); err != nil {
		return nil, err
	}
	velocity, err := a.zeros(tensor.Of(tensor.F32, n))
	if err != nil {
		return nil, err
	}
	f := float64(n)
	ts := a.add(nil, "sgd with momentum", 20*f, 0, backend.SGD{Momentum: 0.9}, in[0], in[1], velocity, lr)
	return a.add(ts, "adamw", 28*f, 0, backend.Adam{Beta1: 0.9, Beta2: 0.999, Eps: 1e-8, WeightDecay: 0.01, Decoupled: true}, in[0], in[1], in[2], in[3], lr, step), nil
}

// products are the matrix products with codes, and those of gradients with
// codes, beside the one of reals.
func products(a *arena, n int) ([]task, error) {
	x, err := a.random(tensor.Of(tensor.I8, n, n))
	if err != nil {
		return nil, err
	}
	w, err := a.random(tensor.Of(tensor.I8, n, n))
	if err != nil {
		return nil, err
	}
	floats, err := a.random(tensor.Of(tensor.F32, n, n))
	if err != nil {
		return nil, err
	}
	sx, err := a.floats(0.02)
	if err != nil {
		return nil, err
	}
	sw, err := a.floats(0.01)
	if err != nil {
		return nil, err
	}
	zero, err := a.zeros(tensor.Of(tensor.I32, 1))
	if err != nil {
		return nil, err
	}
	f := float64(n)
	ops, size := 2*f*f*f, fmt.Sprintf(" %d", n)
	ts := a.add(nil, "int8 to int32"+size, 6*f*f, ops, backend.MatMulInteger{MatMul: backend.MatMul{TransB: true}}, x, w, zero, zero)
	ts = a.add(ts, "int8 to float32"+size, 6*f*f, ops, backend.GemmDequant{}, x, sx, zero, w, sw, nil)
	for _, p := range []backend.GradPrecision{backend.GradBF16, backend.GradBF16x2} {
		ts = a.add(ts, "gradient of input, "+p.String()+size, 9*f*f, ops, backend.GemmGradInput{Precision: p}, floats, w, sw)
		ts = a.add(ts, "gradient of weight, "+p.String()+size, 9*f*f, ops, backend.GemmGradWeight{Precision: p}, floats, x, sx, zero)
	}
	return a.add(ts, "float32"+size, 12*f*f, ops, backend.Gemm{}, floats, floats, nil), nil
}

// linearStep is one training step of a linear layer on codes: input and
// weight quantized, the exact product, both gradients, the masks of the
// straight-through estimator, SGD. Its kernels run one by one and as one graph.
func linearStep(a *arena, rows, wide, deep int) ([]task, error) {
	var steps []backend.Kernel
	var failed error
	keep := func(x backend.Buffer, err error) backend.Buffer {
		if failed == nil {
			failed = err
		}
		return x
	}
	x, w, dy := keep(a.random(tensor.Of(tensor.F32, rows, deep))), keep(a.random(tensor.Of(tensor.F32, wide, deep))), keep(a.random(tensor.Of(tensor.F32, rows, wide)))
	lo, hi := keep(a.zeros(tensor.Of(tensor.F32, wide))), keep(a.zeros(tensor.Of(tensor.F32, wide)))
	sw, zw := keep(a.floats(ones(wide)...)), keep(a.zeros(tensor.Of(tensor.I32, wide)))
	sx, zx, lr := keep(a.floats(0.02)), keep(a.zeros(tensor.Of(tensor.I32, 1))), keep(a.floats(1e-3))
	velocity := keep(a.zeros(tensor.Of(tensor.F32, wide, deep)))
	if failed != nil {
		return nil, failed
	}
	step := func(op backend.Op, in ...backend.Buffer) []backend.Buffer {
		if failed != nil {
			return make([]backend.Buffer, 8)
		}
		k, out, err := a.bind(op, in...)
		if err != nil {
			failed = err
			return make([]backend.Buffer, 8)
		}
		steps = append(steps, k)
		return out
	}
	qx := step(backend.QuantizeLinear{Scheme: quant.Int8()}, x, sx, zx)
	qw := step(backend.QuantizeWeight{Scheme: int8Row, Momentum: 1}, w, lo, hi, sw, zw)
	step(backend.GemmDequant{}, qx[0], sx, zx, qw[0], sw, nil)
	dx := step(backend.GemmGradInput{Precision: backend.GradBF16}, dy, qw[0], sw)
	step(backend.STEGrad{}, dx[0], qx[1])
	dw := step(backend.GemmGradWeight{Precision: backend.GradBF16}, dy, qx[0], sx, zx)
	masked := step(backend.STEGrad{}, dw[0], qw[1])
	step(backend.SGD{Momentum: 0.9}, w, masked[0], velocity, lr)
	if failed != nil {
		return nil, failed
	}
	ops := 6 * float64(rows) * float64(wide) * float64(deep)
	ts := []task{{"QAT linear step, launches", steps, 0, ops}}
	g, err := a.r.b.Record(steps)
	if err != nil {
		a.r.miss("QAT linear step, graph", err.Error())
		return ts, nil
	}
	a.ks = append([]backend.Kernel{g}, a.ks...) // Released before its parts.
	return append(ts, task{"QAT linear step, graph", []backend.Kernel{g}, 0, ops}), nil
}

func ones(n int) []float32 {
	v := make([]float32, n)
	for i := range v {
		v[i] = 1
	}
	return v
}
