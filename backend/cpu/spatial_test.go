package cpu_test

import (
	"context"
	"math/rand/v2"
	"runtime"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/backend/backendtest"
	"github.com/goqat/goqat/backend/cpu"
	"github.com/goqat/goqat/graph"
	"github.com/goqat/goqat/tensor"
)

// layer is an operation of a convolutional network at its real size.
type layer struct {
	name string
	op   backend.Op
	in   []*tensor.Tensor
}

// layers returns the operations of a CNN 1-16-32-64 on batch images of 28x28,
// with strides 1, 2, 2, and some others.
func layers(batch int) []layer {
	r := rand.New(rand.NewPCG(5, 6))
	normal := func(dims ...int) *tensor.Tensor { return backendtest.Normal(r, 1, dims...) }
	codes := func(dims ...int) *tensor.Tensor { return backendtest.Codes(r, tensor.U8, 0, 255, dims...) }
	scale := tensor.FromF32([]float32{0.02}, 1)
	zero := tensor.FromI32([]int32{7}, 1)
	conv := func(stride, groups int) backend.Conv {
		return backend.Conv{Window: backend.Window{Stride: [2]int{stride, stride}, Pad: [4]int{1, 1, 1, 1}}, Groups: groups}
	}
	var ls []layer
	for _, c := range []struct {
		name              string
		side, in, out     int
		stride, groups, k int
	}{
		{"1-16", 28, 1, 16, 1, 1, 3}, {"16-32", 28, 16, 32, 2, 1, 3}, {"32-64", 14, 32, 64, 2, 1, 3},
		{"depthwise", 14, 64, 64, 1, 64, 3}, {"grouped", 14, 32, 32, 1, 4, 3},
	} {
		op := conv(c.stride, c.groups)
		o := (c.side-1)/c.stride + 1
		x, w, dy := []int{batch, c.side, c.side, c.in}, []int{c.out, c.k, c.k, c.in / c.groups}, normal(batch, o, o, c.out)
		weights := normal(w...)
		ls = append(ls,
			layer{"conv " + c.name, op, []*tensor.Tensor{normal(x...), weights}},
			layer{"conv_grad_input " + c.name, backend.ConvGradInput{Conv: op, Input: tensor.NewDims(x...)}, []*tensor.Tensor{dy, weights}},
			layer{"conv_grad_weight " + c.name, backend.ConvGradWeight{Conv: op, Weight: tensor.NewDims(w...)}, []*tensor.Tensor{dy, normal(x...)}},
			layer{"conv_grad_weight codes " + c.name, backend.ConvGradWeight{Conv: op, Weight: tensor.NewDims(w...)}, []*tensor.Tensor{dy, codes(x...), scale, zero}})
	}
	x, dy := normal(batch, 28, 28, 16), normal(batch, 28, 28, 16)
	p := func() *tensor.Tensor {
		t := normal(16)
		for i, v := range t.F32() {
			t.F32()[i] = v*v + 0.1
		}
		return t
	}
	pool := backend.Window{Stride: [2]int{2, 2}}
	max := backend.MaxPool{Window: pool, Kernel: [2]int{2, 2}}
	mean := backend.AveragePool{Window: pool, Kernel: [2]int{2, 2}}
	small := normal(batch, 14, 14, 16)
	position := tensor.New(tensor.Of(tensor.I32, batch, 14, 14, 16))
	for i := range position.I32() {
		position.I32()[i] = int32(r.IntN(28 * 28))
	}
	return append(ls,
		layer{"batch_norm_train", backend.BatchNormTrain{Eps: 1e-5, Momentum: 0.1}, []*tensor.Tensor{x, p(), p(), p(), p()}},
		layer{"batch_norm_eval", backend.BatchNormEval{Eps: 1e-5}, []*tensor.Tensor{x, p(), p(), p(), p()}},
		layer{"batch_norm_grad", backend.BatchNormGrad{}, []*tensor.Tensor{dy, x, p(), p(), p()}},
		layer{"batch_norm_eval_grad", backend.BatchNormEvalGrad{Eps: 1e-5}, []*tensor.Tensor{dy, x, p(), p(), p()}},
		layer{"bias_grad", backend.BiasGrad{}, []*tensor.Tensor{dy}},
		layer{"max_pool", max, []*tensor.Tensor{x}},
		layer{"max_pool codes", max, []*tensor.Tensor{codes(batch, 28, 28, 16)}},
		layer{"max_pool_grad", backend.MaxPoolGrad{Input: tensor.NewDims(batch, 28, 28, 16)}, []*tensor.Tensor{small, position}},
		layer{"average_pool", mean, []*tensor.Tensor{x}},
		layer{"average_pool_grad", backend.AveragePoolGrad{AveragePool: mean, Input: tensor.NewDims(batch, 28, 28, 16)}, []*tensor.Tensor{small}},
		layer{"global_average_pool", backend.GlobalAveragePool{}, []*tensor.Tensor{x}},
		layer{"global_average_pool_grad", backend.GlobalAveragePoolGrad{Input: tensor.NewDims(batch, 28, 28, 16)}, []*tensor.Tensor{normal(batch, 16)}},
		layer{"gemm", backend.Gemm{}, []*tensor.Tensor{normal(batch, 784), normal(256, 784), normal(256)}},
		layer{"gemm_grad_input", backend.GemmGradInput{}, []*tensor.Tensor{normal(batch, 256), backendtest.Codes(r, tensor.I8, -127, 127, 256, 784), normal(256)}},
		layer{"gemm_grad_weight", backend.GemmGradWeight{}, []*tensor.Tensor{normal(batch, 256), codes(batch, 784), scale, zero}},
		layer{"matmul", backend.MatMul{TransB: true}, []*tensor.Tensor{normal(batch, 28, 56), normal(batch, 14, 56)}},
	)
}

// bind allocates the results of l and binds it.
func (l layer) bind(t testing.TB, b backend.Backend) (backend.Kernel, []*tensor.Tensor) {
	in := make([]backend.Buffer, len(l.in))
	specs := make([]tensor.Spec, len(l.in))
	for i, x := range l.in {
		in[i], specs[i] = x, x.Spec()
	}
	outs, err := graph.Lookup(l.op.OpName()).Infer(l.op, specs)
	require.NoError(t, err)
	out, res := make([]backend.Buffer, len(outs)), make([]*tensor.Tensor, len(outs))
	for i, s := range outs {
		res[i] = tensor.New(s)
		out[i] = res[i]
	}
	k, err := b.Bind(l.op, out, in)
	require.NoError(t, err)
	return k, res
}

// TestSpatialSameBits runs each layer with one and with several threads.
func TestSpatialSameBits(t *testing.T) {
	old := runtime.GOMAXPROCS(0)
	defer runtime.GOMAXPROCS(old)
	for _, l := range layers(9) {
		t.Run(l.name, func(t *testing.T) {
			var want []*tensor.Tensor
			for _, procs := range []int{1, 2, 5} {
				runtime.GOMAXPROCS(procs)
				k, out := l.bind(t, cpu.New())
				for range 2 { // The second run meets used scratch memory.
					require.NoError(t, k.Run(context.Background()))
				}
				if want == nil {
					want = out
				}
				for i := range out {
					assert.Equal(t, want[i].Bytes(), out[i].Bytes(), "output %d with %d threads", i, procs)
				}
			}
		})
	}
}

// TestSpatialAllocatesNothing: a bound kernel may not allocate from its
// second run on.
func TestSpatialAllocatesNothing(t *testing.T) {
	ctx := context.Background()
	for _, l := range layers(2) {
		k, _ := l.bind(t, cpu.New())
		require.NoError(t, k.Run(ctx))
		assert.Zero(t, testing.AllocsPerRun(3, func() {
			if err := k.Run(ctx); err != nil {
				t.Fatal(err)
			}
		}), l.name)
	}
}

func BenchmarkSpatial(b *testing.B) {
	for _, l := range layers(128) {
		b.Run(l.name, func(b *testing.B) {
			k, out := l.bind(b, cpu.New())
			bytes := 0
			for _, t := range append(out, l.in...) {
				bytes += t.Spec().Bytes()
			}
			b.SetBytes(int64(bytes))
			for b.Loop() {
				if err := k.Run(context.Background()); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
