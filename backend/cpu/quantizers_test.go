package cpu_test

import (
	"context"
	"math"
	"math/rand/v2"
	"runtime"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/backend/backendtest"
	"github.com/goqat/goqat/backend/cpu"
	"github.com/goqat/goqat/graph"
	"github.com/goqat/goqat/quant"
	"github.com/goqat/goqat/tensor"
)

// bound is a kernel with its buffers.
type bound struct {
	backend.Kernel
	out []*tensor.Tensor
}

// bindQuantizer binds op to in and new outputs; absent says which outputs
// nobody uses.
func bindQuantizer(t testing.TB, op backend.Op, in []*tensor.Tensor, absent ...int) bound {
	t.Helper()
	specs, from := make([]tensor.Spec, len(in)), make([]backend.Buffer, len(in))
	for i, x := range in {
		specs[i], from[i] = x.Spec(), x
	}
	outSpecs, err := graph.Lookup(op.OpName()).Infer(op, specs)
	require.NoError(t, err)
	b := bound{out: make([]*tensor.Tensor, len(outSpecs))}
	to := make([]backend.Buffer, len(outSpecs))
	u, _ := op.(backend.Updater)
	for i, s := range outSpecs {
		b.out[i] = tensor.New(s)
		if u != nil && u.Updates(i) >= 0 {
			b.out[i] = in[u.Updates(i)]
		}
		to[i] = b.out[i]
	}
	for _, i := range absent {
		to[i] = nil
	}
	b.Kernel, err = cpu.New().Bind(op, to, from)
	require.NoError(t, err)
	return b
}

type quantizerKernel struct {
	op backend.Op
	in []*tensor.Tensor
}

// codesAndEnds returns codes, least and greatest of x.
func codesAndEnds(s quant.Scheme, x *tensor.Tensor) []*tensor.Tensor {
	n := tensor.Of(tensor.F32, s.Params(x.Shape()))
	return []*tensor.Tensor{tensor.New(tensor.Spec{DType: s.DType(), Shape: x.Shape()}), tensor.New(n), tensor.New(n)}
}

// quantizerKernels returns every kernel of the quantizers with inputs of
// several tiles.
func quantizerKernels() []quantizerKernel {
	r := rand.New(rand.NewPCG(1, 1))
	f32 := func(v ...float32) *tensor.Tensor { return tensor.FromF32(v, len(v)) }
	i32 := func(v ...int32) *tensor.Tensor { return tensor.FromI32(v, len(v)) }
	x, dy := backendtest.Normal(r, 1, 37, 5003), backendtest.Normal(r, 1, 37, 5003)
	mask := tensor.New(tensor.Of(tensor.B1, 37, 5003))
	scales, zeros := backendtest.Normal(r, 0, 37), tensor.New(tensor.Of(tensor.I32, 37))
	for i := range scales.F32() {
		scales.F32()[i] = 0.02
	}
	last := quant.Scheme{Bits: 4, Signed: true, Grain: quant.Granularity{Kind: quant.PerChannel, Axis: -1}}
	lastScales, lastZeros := backendtest.Normal(r, 0, 5003), tensor.New(tensor.Of(tensor.I32, 5003))
	for i := range lastScales.F32() {
		lastScales.F32()[i] = 0.2
	}
	codes := backendtest.Codes(r, tensor.I8, -128, 127, 37, 5003)
	row := backendtest.Codes(r, tensor.U8, 0, 255, 5003)
	s, z := f32(0.02), i32(3)
	w, a := quant.Weights(8), quant.Int8()
	inf := float32(math.Inf(1))
	counts, ends := tensor.New(tensor.Of(tensor.I64, 2048)), f32(inf, -inf)
	if err := quant.GrowHistogram(counts.I64(), ends.F32(), -6, 6); err != nil {
		panic(err)
	}
	quant.CountHistogram(counts.I64(), ends.F32(), x.F32())
	pair := []*tensor.Tensor{codes, s, z, row, s, z, f32(0.05), z}
	table := []*tensor.Tensor{codes, s, z, f32(0.03), z}
	ks := []quantizerKernel{
		{backend.FakeQuant{Scheme: a}, []*tensor.Tensor{x, s, z}},
		{backend.FakeQuant{Scheme: w}, []*tensor.Tensor{x, scales, zeros}},
		{backend.STEGrad{}, []*tensor.Tensor{dy, mask}},
		{backend.LSQGrad{Scheme: a}, []*tensor.Tensor{dy, x, s, z}},
		{backend.LSQGrad{Scheme: w}, []*tensor.Tensor{dy, x, scales, zeros}},
		{backend.LSQGrad{Scheme: last}, []*tensor.Tensor{dy, x, lastScales, lastZeros}},
		{backend.QuantizeLinear{Scheme: a}, []*tensor.Tensor{x, s, z}},
		{backend.DequantizeLinear{Scheme: a}, []*tensor.Tensor{codes, s, z}},
		{backend.ObserveMinMax{Momentum: 0.1}, []*tensor.Tensor{x, f32(inf), f32(-inf)}},
		{backend.ObserveMinMax{Grain: w.Grain}, []*tensor.Tensor{x, scales.Clone(), scales.Clone()}},
		{backend.ObserveMinMax{Grain: last.Grain}, []*tensor.Tensor{x, lastScales.Clone(), lastScales.Clone()}},
		{backend.ObserveHistogram{Bins: 2048}, []*tensor.Tensor{x, counts.Clone(), ends.Clone()}},
		{backend.ScaleZero{Scheme: a}, []*tensor.Tensor{f32(-1), f32(2), f32(0), i32(0)}},
		{backend.ScaleMSE{Scheme: quant.Weights(4)}, []*tensor.Tensor{x, scales.Clone(), zeros.Clone()}},
		{backend.ScaleMSE{Scheme: a}, []*tensor.Tensor{x, f32(0), i32(0)}},
		{backend.DynamicQuantizeLinear{}, []*tensor.Tensor{x}},
		{backend.QLinearAdd{Scheme: a}, pair},
		{backend.QLinearSub{Rule: quant.TFLite, Scheme: a, Lo: 0, Hi: inf}, pair},
		{backend.QLinearMul{Scheme: quant.UInt8()}, pair},
		{backend.Requantize{In: a, Scheme: quant.UInt8()}, table},
		{backend.QLinearUnary{Func: backend.UnaryGelu, Scheme: a}, table},
		{backend.QLinearUnaryGrad{Func: backend.UnaryGelu}, []*tensor.Tensor{dy, codes, s, z}},
	}
	for _, op := range codedOptimizers[2:4] {
		in := optimizerOf(r, op, 37, 5003)
		if _, ok := op.(backend.SGD); ok {
			in = in[:5]
		}
		out := codesAndEnds(w, in[0])
		ks = append(ks, quantizerKernel{withCodes(op, quant.PyTorch, w), append(in, out...)},
			quantizerKernel{backend.AdoptRange{Scheme: w}, []*tensor.Tensor{scales.Clone(), scales.Clone(), scales.Clone(), scales.Clone(), scales.Clone(), zeros.Clone()}})
	}
	ks = append(ks, quantizerKernel{backend.WeightCodes{Scheme: w}, []*tensor.Tensor{x}})
	for m := backend.SearchPercentile; m <= backend.SearchEntropy; m++ {
		ks = append(ks, quantizerKernel{backend.ScaleSearch{Scheme: a, Method: m, Percentile: 99.9}, []*tensor.Tensor{counts, ends, f32(0), i32(0)}})
	}
	return ks
}

func TestQuantizersAllocateNothing(t *testing.T) {
	ctx := context.Background()
	for _, k := range quantizerKernels() {
		b := bindQuantizer(t, k.op, k.in)
		n := testing.AllocsPerRun(2, func() { assert.NoError(t, b.Run(ctx)) })
		assert.Zero(t, n, "%T", k.op)
	}
}

// TestQuantizersDoNotDependOnThreads compares the bits of one and of several
// threads.
func TestQuantizersDoNotDependOnThreads(t *testing.T) {
	ctx := context.Background()
	run := func(procs int) (outs [][]byte) {
		defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(procs))
		for _, k := range quantizerKernels() {
			b := bindQuantizer(t, k.op, k.in)
			require.NoError(t, b.Run(ctx))
			for _, o := range b.out {
				outs = append(outs, o.Bytes())
			}
		}
		return outs
	}
	want := run(1)
	for _, procs := range []int{2, 5} {
		got := run(procs)
		for i := range want {
			assert.Equal(t, want[i], got[i], "output %d with %d threads", i, procs)
		}
	}
}

// TestUnusedQuantizerOutputs leaves out one output at a time; the others must
// not change.
func TestUnusedQuantizerOutputs(t *testing.T) {
	ctx := context.Background()
	for _, k := range quantizerKernels() {
		if _, ok := k.op.(backend.Updater); ok {
			continue
		}
		want := bindQuantizer(t, k.op, k.in)
		require.NoError(t, want.Run(ctx))
		for i := range want.out {
			if len(want.out) == 1 {
				break
			}
			got := bindQuantizer(t, k.op, k.in, i)
			require.NoError(t, got.Run(ctx))
			for j := range want.out {
				if j != i {
					assert.Equal(t, want.out[j].Bytes(), got.out[j].Bytes(), "%T output %d without %d", k.op, j, i)
				}
			}
		}
	}
}
