//go:build cuda

package gpu

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/backend/backendtest"
	"github.com/goqat/goqat/backend/cpu"
	"github.com/goqat/goqat/cuda"
	"github.com/goqat/goqat/graph"
	"github.com/goqat/goqat/internal/cudasim"
	"github.com/goqat/goqat/quant"
	"github.com/goqat/goqat/tensor"
)

// hopper opens the simulator as a device of compute capability 9.0, with
// products of codes as wgmma wherever they can be.
func hopper(t *testing.T) *Backend {
	needSim(t)
	t.Setenv("GOQAT_SIM_CC", "90")
	t.Setenv("GOQAT_GPU_INT8", "wgmma")
	return open(t)
}

// results runs op and returns the bytes of all results.
func results(t *testing.T, b backend.Backend, op backend.Op, in []*tensor.Tensor) [][]byte {
	ctx := context.Background()
	specs := make([]tensor.Spec, len(in))
	bufs := make([]backend.Buffer, len(in))
	for i, x := range in {
		if x == nil {
			continue
		}
		specs[i] = x.Spec()
		buf, err := b.Alloc(x.Spec())
		require.NoError(t, err)
		require.NoError(t, b.Write(ctx, buf, x.Bytes()))
		bufs[i] = buf
	}
	to, err := graph.Lookup(op.OpName()).Infer(op, specs)
	require.NoError(t, err)
	var out []backend.Buffer
	for _, s := range to {
		buf, err := b.Alloc(s)
		require.NoError(t, err)
		require.NoError(t, b.Write(ctx, buf, ones(s.Bytes())))
		out = append(out, buf)
	}
	k, err := b.Bind(op, out, bufs)
	require.NoError(t, err)
	require.NoError(t, k.Run(ctx))
	if err := b.Sync(ctx); err != nil && cudasim.Running() {
		require.NoError(t, err, cudasim.Message())
	}
	var all [][]byte
	for i, s := range to {
		y := make([]byte, s.Bytes())
		require.NoError(t, b.Read(ctx, y, out[i]))
		all = append(all, y)
	}
	return all
}

// ones are bytes that no kernel leaves by chance.
func ones(n int) []byte {
	p := make([]byte, n)
	for i := range p {
		p[i] = 0xff
	}
	return p
}

// sameAsCPU runs op on both backends and wants equal bytes.
func sameAsCPU(t *testing.T, b *Backend, op backend.Op, in []*tensor.Tensor) {
	require.Equal(t, results(t, cpu.New(), op, in), results(t, b, op, in))
}

// ranWide reports how many kernels of code_wgmma.cu of these kinds ran, all when
// there are none, since the counters were cleared.
func ranWide(kinds ...string) (n int) {
	if kinds == nil {
		kinds = []string{"matmul", "conv"}
	}
	for _, kind := range kinds {
		for _, e := range []string{"sums", "reals", "codes"} {
			for _, suffix := range []string{"_128", "_256", "_128_i8", "_256_i8", "_128_u8", "_256_u8"} {
				c, _ := cudasim.KernelCount("wgmma_" + kind + "_" + e + suffix)
				n += c.Launches
			}
		}
	}
	return n
}

var codeTypes = []tensor.DType{tensor.I8, tensor.U8}

// codesOf returns codes, or with extreme those of the largest magnitude alone.
func codesOf(r *rand.Rand, d tensor.DType, extreme bool, shape ...int) *tensor.Tensor {
	lo, hi := -128, 127
	if d == tensor.U8 {
		lo, hi = 0, 255
	}
	x := backendtest.Codes(r, d, lo, hi, shape...)
	if extreme {
		p := x.Bytes()
		for i := range p {
			p[i] = 0x80 // -128
			if d == tensor.U8 {
				p[i] = 0xff
			}
		}
	}
	return x
}

// TestWGMMAMatrices: sums of products of stacks of matrices of int8 and uint8 in
// all pairs, with and without zero points, whose rows, columns and steps do
// not fill tiles.
func TestWGMMAMatrices(t *testing.T) {
	b := hopper(t)
	r := rand.New(rand.NewPCG(3, 4))
	for _, c := range []struct{ m, n, k, stack int }{
		{1, 1, 16, 0}, {2, 3, 32, 0}, {17, 31, 48, 0}, {33, 7, 112, 0}, {64, 64, 128, 0}, {65, 70, 144, 0}, {70, 129, 16, 0}, {129, 257, 272, 0}, {200, 300, 400, 0},
		{128, 256, 1040, 0}, {130, 20, 2064, 0}, {40, 24, 64, 3}, {140, 140, 160, 2},
	} {
		for _, xd := range codeTypes {
			for _, wd := range codeTypes {
				for _, zeros := range []int{0, 1, c.n} {
					if t.Failed() {
						return // A fault is sticky.
					}
					t.Run(fmt.Sprint(c, xd, wd, zeros), func(t *testing.T) {
						xs, ws := []int{c.m, c.k}, []int{c.n, c.k}
						if c.stack > 0 {
							xs, ws = []int{2, c.stack, c.m, c.k}, []int{c.stack, c.n, c.k}
						}
						in := []*tensor.Tensor{codesOf(r, xd, c.k == 1040, xs...), codesOf(r, wd, c.k == 1040, ws...)}
						if zeros > 0 {
							in = append(in, tensor.FromI32([]int32{int32(r.IntN(100)) - 50}, 1), backendtest.Zeros(r, wd, zeros))
						}
						cudasim.ClearKernels()
						sameAsCPU(t, b, backend.MatMulInteger{MatMul: backend.MatMul{TransB: true}}, in)
						require.Equal(t, 1, ranWide())
					})
				}
			}
		}
	}
}

// layer returns the inputs of a layer on codes: bias and zero points of weights
// in turns, and results of which some lie beyond the range.
func layer(r *rand.Rand, x, w *tensor.Tensor, s quant.Scheme, variant int) []*tensor.Tensor {
	o := w.Shape()[0]
	in := []*tensor.Tensor{x, backendtest.Scales(r, 1), backendtest.Zeros(r, x.DType(), 1), w, backendtest.Scales(r, o), nil, backendtest.Scales(r, 1), nil}
	if variant%3 == 1 {
		in[5] = backendtest.Zeros(r, w.DType(), o)
	}
	lo, hi := s.Range()
	deviation := math.Sqrt(float64(w.Numel()/o)) * 75 * 100
	in[6].F32()[0] = float32(float64(in[1].F32()[0]) * 0.025 * deviation * 3 / float64(hi-lo))
	zero := int32(0)
	if !s.Symmetric {
		zero = lo + r.Int32N(hi-lo+1)
	}
	in[7] = tensor.FromI32([]int32{zero}, 1)
	if variant%2 == 1 {
		bias := make([]int32, o)
		for i := range bias {
			bias[i] = int32(r.NormFloat64() * deviation)
		}
		in = append(in, tensor.FromI32(bias, o))
	}
	return in
}

// epilogues are rules with schemes and activations.
var epilogues = []struct {
	rule   quant.Rule
	scheme quant.Scheme
	lo, hi float32
}{
	{quant.ONNX, quant.Int8(), unbounded[0], unbounded[1]},
	{quant.TFLite, quant.Int8(), 0, 6},
	{quant.TFLiteSingle, quant.UInt8(), 0, unbounded[1]},
	{quant.PyTorch, quant.Activations(4, false), 0, 6},
}

// TestWGMMALayers: codes, masks and real results of linear layers, whose rows
// may be whole bytes of a mask, or not.
func TestWGMMALayers(t *testing.T) {
	b := hopper(t)
	r := rand.New(rand.NewPCG(5, 6))
	for i, c := range []struct{ m, n, k int }{{1, 1, 16}, {3, 8, 32}, {33, 21, 48}, {66, 64, 80}, {70, 40, 128}, {129, 131, 144}, {128, 256, 640}, {257, 264, 528}, {50, 520, 96}} {
		for j, e := range epilogues {
			if t.Failed() {
				return // A fault is sticky.
			}
			t.Run(fmt.Sprint(c, e.rule.Name), func(t *testing.T) {
				x, w := codesOf(r, codeTypes[(i+j)%2], false, c.m, c.k), codesOf(r, codeTypes[i%3/2], c.k == 640, c.n, c.k)
				in := layer(r, x, w, e.scheme, i+j)
				cudasim.ClearKernels()
				sameAsCPU(t, b, backend.QLinearGemm{Rule: e.rule, Scheme: e.scheme, Lo: e.lo, Hi: e.hi}, in)
				require.Equal(t, 1, ranWide())
				if w.DType() == tensor.U8 {
					return // Real results are for int8 weights alone.
				}
				in = []*tensor.Tensor{x, in[1], in[2], w, in[4], backendtest.Scales(r, c.n)}
				sameAsCPU(t, b, backend.GemmDequant{}, in[:5+j%2])
				require.Equal(t, 2, ranWide())
			})
		}
	}
}

// TestWGMMAConv: convolutions of one tap are products of matrices, others
// products of patches with zero points outside of the image.
func TestWGMMAConv(t *testing.T) {
	b := hopper(t)
	r := rand.New(rand.NewPCG(7, 8))
	pad := func(n int) backend.Window { return backend.Window{Pad: [4]int{n, n, n, n}} }
	for i, c := range []struct {
		n, h, w, c, o, kh, kw, groups int
		window                        backend.Window
		kind                          string
	}{
		{2, 5, 7, 16, 24, 1, 1, 1, pad(0), "matmul"},
		{1, 12, 13, 96, 69, 1, 1, 3, pad(0), "matmul"},
		{2, 9, 8, 16, 40, 3, 3, 1, pad(1), "conv"},
		{1, 17, 11, 48, 130, 3, 3, 1, pad(1), "conv"},
		{2, 10, 10, 64, 24, 3, 2, 2, backend.Window{Stride: [2]int{2, 1}, Dilation: [2]int{1, 2}, Pad: [4]int{2, 0, 1, 3}}, "conv"},
		{1, 6, 6, 160, 264, 3, 3, 1, pad(2), "conv"},
		{1, 9, 9, 32, 16, 1, 1, 1, backend.Window{Stride: [2]int{2, 2}}, "conv"},
		{3, 4, 4, 16, 9, 5, 5, 1, pad(2), "conv"},
	} {
		for j, e := range epilogues {
			if t.Failed() {
				return // A fault is sticky.
			}
			t.Run(fmt.Sprint(c, e.rule.Name), func(t *testing.T) {
				wd := tensor.I8
				if c.kind == "matmul" {
					wd = codeTypes[j%2]
				}
				x, w := codesOf(r, codeTypes[(i+j/2)%2], false, c.n, c.h, c.w, c.c), codesOf(r, wd, j == 2, c.o, c.kh, c.kw, c.c/c.groups)
				conv := backend.Conv{Window: c.window, Groups: c.groups}
				in := layer(r, x, w, e.scheme, i+j)
				cudasim.ClearKernels()
				sameAsCPU(t, b, backend.QLinearConv{Conv: conv, Rule: e.rule, Scheme: e.scheme, Lo: e.lo, Hi: e.hi}, in)
				sums := []*tensor.Tensor{x, w, in[2], in[5]}
				sameAsCPU(t, b, backend.ConvInteger{Conv: conv}, sums)
				require.Equal(t, 2, ranWide(c.kind))
				if wd == tensor.I8 {
					sameAsCPU(t, b, backend.ConvDequant{Conv: conv}, []*tensor.Tensor{x, in[1], in[2], w, in[4]})
					require.Equal(t, 3, ranWide(c.kind))
				}
			})
		}
	}
}

// TestWGMMAChoice: what the copy engine cannot bring, and what is too small, runs
// as on other devices; with the same sums.
func TestWGMMAChoice(t *testing.T) {
	r := rand.New(rand.NewPCG(9, 10))
	for _, c := range []struct {
		name, capability, chosen string
		m, n, k, lead            int
		transposed               bool
		wide                     bool
	}{
		{"by size", "90", "", 512, 256, 64, 0, false, true},
		{"int8", "90", "int8", 512, 256, 64, 0, false, true},
		{"few rows", "90", "", 64, 4096, 16, 0, false, false},
		{"few columns", "90", "", 2048, 64, 16, 0, false, false},
		{"few tiles", "90", "", 128, 256, 64, 0, false, false},
		{"few tiles, wanted", "90", "wgmma", 128, 256, 64, 0, false, true},
		{"never", "90", "mma", 512, 256, 64, 0, false, false},
		{"bf16", "90", "bf16", 512, 256, 64, 0, false, false},
		{"older device", "80", "wgmma", 512, 256, 64, 0, false, false},
		{"strides", "90", "wgmma", 130, 70, 40, 0, false, false},
		{"columns of any number", "90", "wgmma", 130, 71, 48, 0, false, true},
		{"addresses", "90", "wgmma", 130, 70, 48, 4, false, false},
		{"nothing to add", "90", "wgmma", 130, 70, 0, 0, false, false},
		{"across", "90", "wgmma", 130, 64, 48, 0, true, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			needSim(t)
			t.Setenv("GOQAT_SIM_CC", c.capability)
			t.Setenv("GOQAT_GPU_INT8", c.chosen)
			b := open(t)
			x, w := codesOf(r, tensor.U8, false, c.m, c.k), codesOf(r, tensor.I8, false, c.n, c.k)
			if c.transposed {
				w = codesOf(r, tensor.I8, false, c.k, c.n)
			}
			op := backend.MatMulInteger{MatMul: backend.MatMul{TransB: !c.transposed}}
			want := results(t, cpu.New(), op, []*tensor.Tensor{x, w})[0]
			ctx := context.Background()
			whole, err := b.Alloc(tensor.Of(tensor.U8, c.lead+c.m*c.k))
			require.NoError(t, err)
			require.NoError(t, b.Write(ctx, whole, append(make([]byte, c.lead), x.Bytes()...)))
			left, err := b.View(whole, c.lead, x.Spec())
			require.NoError(t, err)
			right, err := b.Alloc(w.Spec())
			require.NoError(t, err)
			require.NoError(t, b.Write(ctx, right, w.Bytes()))
			y, err := b.Alloc(tensor.Of(tensor.I32, c.m, c.n))
			require.NoError(t, err)
			cudasim.ClearKernels()
			k, err := b.Bind(op, []backend.Buffer{y}, []backend.Buffer{left, right})
			require.NoError(t, err)
			require.NoError(t, k.Run(ctx))
			got := make([]byte, len(want))
			require.NoError(t, b.Read(ctx, got, y))
			require.Equal(t, want, got)
			require.Equal(t, c.wide, ranWide() > 0)
		})
	}
}

// TestWGMMATraffic: each code is read once, each result written once; of weights
// the sums of columns read as much again.
func TestWGMMATraffic(t *testing.T) {
	b := hopper(t)
	const m, n, k = 300, 520, 1040
	r := rand.New(rand.NewPCG(11, 12))
	in := layer(r, codesOf(r, tensor.U8, false, m, k), codesOf(r, tensor.I8, false, n, k), quant.Int8(), 0)
	cudasim.ClearKernels()
	sameAsCPU(t, b, backend.QLinearGemm{Rule: quant.ONNX, Scheme: quant.Int8(), Lo: unbounded[0], Hi: unbounded[1]}, in)
	c, ok := cudasim.KernelCount("wgmma_matmul_codes_256_i8")
	require.True(t, ok)
	require.LessOrEqual(t, 32*c.ReadSectors, (m+n)*k+16*n+128)
	require.LessOrEqual(t, 32*c.WrittenSectors, m*n+m*n/8+64)
	require.LessOrEqual(t, c.StaticShared+c.DynamicShared, 227<<10)
	t.Logf("%d bytes read of %d, %d written of %d", 32*c.ReadSectors, (m+n)*k, 32*c.WrittenSectors, m*n*9/8)
}

// TestWGMMAFaults: a launch that fails and memory that runs out are told, and
// leave nothing behind.
func TestWGMMAFaults(t *testing.T) {
	needSim(t)
	t.Setenv("GOQAT_SIM_CC", "90")
	t.Setenv("GOQAT_GPU_INT8", "wgmma")
	r := rand.New(rand.NewPCG(13, 14))
	x, w := codesOf(r, tensor.U8, false, 70, 64), codesOf(r, tensor.I8, false, 40, 64)
	op := backend.MatMulInteger{MatMul: backend.MatMul{TransB: true}}
	run := func(t *testing.T, call string, n, code int, sticky bool) error {
		b := open(t)
		ctx := context.Background()
		var in []backend.Buffer
		for _, x := range []*tensor.Tensor{x, w} {
			buf, err := b.Alloc(x.Spec())
			require.NoError(t, err)
			require.NoError(t, b.Write(ctx, buf, x.Bytes()))
			in = append(in, buf)
		}
		y, err := b.Alloc(tensor.Of(tensor.I32, 70, 40))
		require.NoError(t, err)
		if call != "" {
			cudasim.FailAt(call, n, code, sticky)
		}
		k, err := b.Bind(op, []backend.Buffer{y}, in)
		if err != nil {
			return err
		}
		if err := k.Run(ctx); err != nil {
			return err
		}
		return b.Sync(ctx)
	}
	const illegalAddress, unsupported, invalidValue = 700, 801, 1
	for _, c := range []struct {
		call   string
		n      int
		code   int
		sticky bool
		want   error
	}{
		{"", 0, 0, false, nil},
		{"kernel:wgmma_matmul_sums_128_i8", 1, illegalAddress, true, cuda.ErrLost},
		{"kernel:matmul_integer_columns", 1, illegalAddress, true, cuda.ErrLost},
		{"cuTensorMapEncodeTiled", 1, unsupported, false, nil},
		{"cuTensorMapEncodeTiled", 2, invalidValue, false, nil},
		{"cuFuncSetAttribute", 1, invalidValue, false, nil},
	} {
		t.Run(fmt.Sprint(c.call, c.n), func(t *testing.T) {
			err := run(t, c.call, c.n, c.code, c.sticky)
			switch {
			case c.call == "":
				require.NoError(t, err)
			case c.want != nil:
				require.ErrorIs(t, err, c.want)
			default:
				require.ErrorContains(t, err, c.call)
			}
		})
	}
}
