package cpu_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/backend/backendtest"
	"github.com/goqat/goqat/backend/cpu"
	"github.com/goqat/goqat/graph"
	"github.com/goqat/goqat/quant"
	"github.com/goqat/goqat/tensor"
)

// bindCodes binds op to in and to new outputs, which it returns.
func bindCodes(tb testing.TB, b *cpu.Backend, op backend.Op, in ...*tensor.Tensor) (backend.Kernel, []*tensor.Tensor) {
	tb.Helper()
	specs, bufs := make([]tensor.Spec, len(in)), make([]backend.Buffer, len(in))
	for i, t := range in {
		if t != nil {
			specs[i], bufs[i] = t.Spec(), t
		}
	}
	outs, err := graph.Lookup(op.OpName()).Infer(op, specs)
	require.NoError(tb, err)
	out, outBufs := make([]*tensor.Tensor, len(outs)), make([]backend.Buffer, len(outs))
	for i, s := range outs {
		out[i] = tensor.New(s)
		outBufs[i] = out[i]
	}
	k, err := b.Bind(op, outBufs, bufs)
	require.NoError(tb, err)
	return k, out
}

func entry(v float64, d tensor.DType) *tensor.Tensor {
	t := tensor.New(tensor.Of(d, 1))
	backendtest.Set(t, 0, v)
	return t
}

// Every small linear layer equals the sums of its definition in int64.
func TestSmallProductsAreExact(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	b := cpu.New()
	for m := range 6 {
		for n := range 19 {
			for k := range 11 {
				x, w := backendtest.Codes(r, tensor.I8, -128, 127, m, k), backendtest.Codes(r, tensor.I8, -128, 127, k, n)
				za, zb := backendtest.Zeros(r, tensor.I8, 1), backendtest.Zeros(r, tensor.I8, 1)
				run, out := bindCodes(t, b, backend.MatMulInteger{}, x, w, za, zb)
				require.NoError(t, run.Run(context.Background()))
				for i, got := range out[0].I32() {
					var want int64
					for p := range k {
						want += (int64(x.I8()[i/n*k+p]) - int64(za.I32()[0])) * (int64(w.I8()[p*n+i%n]) - int64(zb.I32()[0]))
					}
					require.Equal(t, want, int64(got), "m=%d n=%d k=%d element %d", m, n, k, i)
				}
			}
		}
	}
}

// Random convolutions equal the sums of their definition in int64.
func TestRandomConvolutionsAreExact(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	b := cpu.New()
	for range 400 {
		groups := 1 + r.IntN(4)
		cg, og := 1+r.IntN(5), 1+r.IntN(5)
		if r.IntN(3) == 0 {
			groups, cg = 1+r.IntN(20), 1
		}
		kh, kw := 1+r.IntN(4), 1+r.IntN(4)
		c := backend.Conv{Groups: groups, Window: backend.Window{
			Stride:   [2]int{r.IntN(4), r.IntN(4)},
			Dilation: [2]int{r.IntN(3), r.IntN(3)},
			Pad:      [4]int{r.IntN(4), r.IntN(4), r.IntN(4), r.IntN(4)},
		}}
		xs := []int{r.IntN(3), 7 + r.IntN(6), 7 + r.IntN(6), groups * cg}
		ws := []int{groups * og, kh, kw, cg}
		x, w := backendtest.Codes(r, tensor.U8, 0, 255, xs...), backendtest.Codes(r, tensor.I8, -128, 127, ws...)
		zx := backendtest.Zeros(r, tensor.U8, 1)
		run, out := bindCodes(t, b, backend.ConvInteger{Conv: c}, x, w, zx)
		require.NoError(t, run.Run(context.Background()))
		ys, win := out[0].Shape(), c.Normal()
		for i, got := range out[0].I32() {
			o, ox, oy, n := i%ys[3], i/ys[3]%ys[2], i/ys[3]/ys[2]%ys[1], i/ys[3]/ys[2]/ys[1]
			var want int64
			for a := range kh {
				for b := range kw {
					y, v := oy*win.Stride[0]-win.Pad[0]+a*win.Dilation[0], ox*win.Stride[1]-win.Pad[1]+b*win.Dilation[1]
					for ch := range cg {
						if y >= 0 && y < xs[1] && v >= 0 && v < xs[2] {
							code := int64(x.U8()[((n*xs[1]+y)*xs[2]+v)*xs[3]+o/og*cg+ch])
							want += (code - int64(zx.I32()[0])) * int64(w.I8()[((o*kh+a)*kw+b)*cg+ch])
						}
					}
				}
			}
			require.Equal(t, want, int64(got), "%+v x %v w %v element %d", c, xs, ws, i)
		}
	}
}

// A zero point that is no code of the input cannot stand for padding.
func TestConvRefusesForeignZeroPoint(t *testing.T) {
	x, w := tensor.New(tensor.Of(tensor.I8, 1, 3, 3, 4)), tensor.New(tensor.Of(tensor.I8, 2, 1, 1, 4))
	run, _ := bindCodes(t, cpu.New(), backend.ConvInteger{}, x, w, entry(128, tensor.I32))
	require.ErrorContains(t, run.Run(context.Background()), "zero point 128")
}

// codeKernels returns one kernel of every way to run.
func codeKernels(tb testing.TB) map[string]backend.Kernel {
	r := rand.New(rand.NewPCG(7, 7))
	b := cpu.New()
	conv := func(c backend.Conv, zw *tensor.Tensor, x, w []int) backend.Kernel {
		op := backend.QLinearConv{Conv: c, Rule: quant.ONNX, Scheme: quant.UInt8(), Lo: 0, Hi: 6}
		k, _ := bindCodes(tb, b, op, backendtest.Codes(r, tensor.U8, 0, 255, x...), backendtest.Scales(r, 1), entry(100, tensor.I32),
			backendtest.Codes(r, tensor.I8, -127, 127, w...), backendtest.Scales(r, w[0]), zw, entry(0.5, tensor.F32), entry(3, tensor.I32),
			tensor.New(tensor.Of(tensor.I32, w[0])))
		return k
	}
	matmul := func(op backend.QLinearMatMul, a, c []int) backend.Kernel {
		op.Rule, op.Scheme = quant.ONNX, quant.Int8()
		k, _ := bindCodes(tb, b, op, backendtest.Codes(r, tensor.I8, -128, 127, a...), entry(0.1, tensor.F32), entry(3, tensor.I32),
			backendtest.Codes(r, tensor.U8, 0, 255, c...), entry(0.1, tensor.F32), entry(9, tensor.I32), entry(1, tensor.F32), entry(0, tensor.I32))
		return k
	}
	same := backend.Window{Pad: [4]int{1, 1, 1, 1}}
	dequant, _ := bindCodes(tb, b, backend.ConvDequant{Conv: backend.Conv{Window: same}}, backendtest.Codes(r, tensor.I8, -128, 127, 2, 14, 14, 16),
		entry(0.1, tensor.F32), entry(-4, tensor.I32), backendtest.Codes(r, tensor.I8, -127, 127, 12, 3, 3, 16), backendtest.Scales(r, 12), backendtest.Normal(r, 1, 12))
	fold, _ := bindCodes(tb, b, backend.FoldBatchNorm{Rule: quant.ONNX}, backendtest.Codes(r, tensor.I8, -127, 127, 40, 30), backendtest.Scales(r, 40), entry(0.1, tensor.F32))
	pool, _ := bindCodes(tb, b, backend.QLinearAveragePool{AveragePool: backend.AveragePool{Kernel: [2]int{2, 2}}, Scheme: quant.Int8()},
		backendtest.Codes(r, tensor.I8, -128, 127, 2, 14, 14, 16), entry(1, tensor.I32))
	return map[string]backend.Kernel{
		"stream":            conv(backend.Conv{Window: same}, nil, []int{2, 14, 14, 16}, []int{16, 3, 3, 16}),
		"pointwise":         conv(backend.Conv{}, nil, []int{2, 14, 14, 16}, []int{16, 1, 1, 16}),
		"odd channels":      conv(backend.Conv{Window: same}, nil, []int{2, 14, 14, 16}, []int{15, 3, 3, 16}),
		"groups":            conv(backend.Conv{Window: same, Groups: 4}, nil, []int{2, 14, 14, 16}, []int{16, 3, 3, 4}),
		"depthwise":         conv(backend.Conv{Window: same, Groups: 16}, nil, []int{2, 14, 14, 16}, []int{16, 3, 3, 1}),
		"weight zero point": conv(backend.Conv{}, entry(5, tensor.I32), []int{2, 14, 14, 16}, []int{16, 1, 1, 16}),
		"conv_dequant":      dequant,
		"fold_batch_norm":   fold,
		"average pool":      pool,
		"matrices":          matmul(backend.QLinearMatMul{}, []int{40, 32}, []int{32, 24}),
		"stack of matrices": matmul(backend.QLinearMatMul{MatMul: backend.MatMul{TransA: true}}, []int{6, 32, 40}, []int{6, 32, 24}),
		"odd stack":         matmul(backend.QLinearMatMul{}, []int{6, 5, 32}, []int{6, 32, 7}),
	}
}

func TestCodeKernelsAllocateNothing(t *testing.T) {
	ctx := context.Background()
	for name, k := range codeKernels(t) {
		t.Run(name, func(t *testing.T) {
			n := testing.AllocsPerRun(20, func() {
				if err := k.Run(ctx); err != nil {
					t.Fatal(err)
				}
			})
			require.Zero(t, n)
		})
	}
}

func BenchmarkQLinearConv(b *testing.B) {
	ctx := context.Background()
	r := rand.New(rand.NewPCG(7, 7))
	for _, g := range []struct {
		x, w   []int
		groups int
	}{
		{[]int{8, 28, 28, 128}, []int{128, 3, 3, 128}, 1},
		{[]int{8, 56, 56, 64}, []int{256, 1, 1, 64}, 1},
		{[]int{8, 56, 56, 144}, []int{144, 3, 3, 1}, 144},
		{[]int{8, 28, 28, 128}, []int{128, 3, 3, 4}, 32},
	} {
		b.Run(fmt.Sprintf("x=%v/w=%v", g.x, g.w), func(b *testing.B) {
			pad := g.w[1] / 2
			op := backend.QLinearConv{Conv: backend.Conv{Window: backend.Window{Pad: [4]int{pad, pad, pad, pad}}, Groups: g.groups}, Rule: quant.ONNX, Scheme: quant.UInt8(), Hi: 6}
			k, out := bindCodes(b, cpu.New(), op, backendtest.Codes(r, tensor.U8, 0, 255, g.x...), entry(0.01, tensor.F32), entry(100, tensor.I32),
				backendtest.Codes(r, tensor.I8, -127, 127, g.w...), backendtest.Scales(r, g.w[0]), nil, entry(0.5, tensor.F32), entry(3, tensor.I32), tensor.New(tensor.Of(tensor.I32, g.w[0])))
			macs := float64(out[0].Numel()) * float64(g.w[1]*g.w[2]*g.w[3])
			for b.Loop() {
				if err := k.Run(ctx); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(macs*float64(b.N)/b.Elapsed().Seconds()/1e9, "GMAC/s")
		})
	}
}
