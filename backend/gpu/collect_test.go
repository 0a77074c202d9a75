//go:build cuda

package gpu

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/backend/backendtest"
	"github.com/goqat/goqat/backend/cpu"
	"github.com/goqat/goqat/backend/gpu/internal/choices"
	"github.com/goqat/goqat/cuda/cublaslt"
	"github.com/goqat/goqat/cuda/cudnn"
	"github.com/goqat/goqat/graph"
	"github.com/goqat/goqat/internal/cudasim"
	"github.com/goqat/goqat/tensor"
)

// collector is a way by which products of codes are computed, with kernels that
// collect there.
type collector struct {
	name    string
	env     [][2]string
	kernels []string
}

var collectors = []collector{
	{"sm_75", [][2]string{{"GOQAT_SIM_CC", "75"}, {"GOQAT_GPU_INT8", "int8"}}, []string{"conv_dequant_64_i8_collect", "conv_dequant_128_u8_collect", "conv_dequant_direct_i8_collect"}},
	{"sm_80", [][2]string{{"GOQAT_SIM_CC", "80"}, {"GOQAT_GPU_INT8", "int8"}}, []string{"conv_dequant_64_u8_collect", "conv_dequant_128_i8_collect", "conv_dequant_direct_u8_collect"}},
	{"bf16", [][2]string{{"GOQAT_SIM_CC", "80"}, {"GOQAT_GPU_INT8", "bf16"}}, []string{"conv_reals_64_u8_collect", "conv_reals_128_i8_collect"}},
	{"wgmma", [][2]string{{"GOQAT_SIM_CC", "90"}, {"GOQAT_GPU_INT8", "wgmma"}}, []string{"wgmma_conv_reals_128", "wgmma_matmul_reals_128", "wgmma_matmul_reals_256", "wgmma_matmul_reals_128_i8"}},
	{"cublaslt", [][2]string{{"GOQAT_SIM_CC", "80"}, {cublaslt.Env, "cublasLt"}, {vendorEnv, vendorLt}}, []string{"vendor_int8_reals_collect"}},
	{"cublaslt of sm_75", [][2]string{{"GOQAT_SIM_CC", "75"}, {cublaslt.Env, "cublasLt"}, {vendorEnv, vendorLt}}, []string{"vendor_int8_reals_collect"}},
	{"cudnn", [][2]string{{"GOQAT_SIM_CC", "80"}, {cudnn.Env, "cudnn"}, {vendorEnv, vendorDNN}}, []string{"vendor_int8_reals_collect"}},
}

// use sets the environment.
func (c collector) use(t *testing.T) {
	for _, e := range c.env {
		v := e[1]
		if e[0] == cublaslt.Env || e[0] == cudnn.Env {
			v = cudasim.Vendor(v)
		}
		t.Setenv(e[0], v)
	}
}

// collectedLayer is a layer on codes to collect of.
type collectedLayer struct {
	name string
	conv backend.Conv
	x, w []int // Shapes; two dimensions are those of a linear layer.
}

var collectedLayers = []collectedLayer{
	{"one row", backend.Conv{}, []int{1, 33}, []int{70, 33}},
	{"one channel", backend.Conv{}, []int{77, 16}, []int{1, 16}},
	{"no row", backend.Conv{}, []int{0, 16}, []int{5, 16}},
	{"no product", backend.Conv{}, []int{9, 0}, []int{5, 0}},
	{"off the tiles", backend.Conv{}, []int{65, 48}, []int{67, 48}},
	{"on the tiles", backend.Conv{}, []int{256, 64}, []int{128, 64}},
	{"large tiles", backend.Conv{}, []int{513, 32}, []int{125, 32}},
	{"wide tiles", backend.Conv{}, []int{145, 16}, []int{291, 16}},
	{"long sums", backend.Conv{}, []int{5, 4096}, []int{3, 4096}},
	{"image", backend.Conv{Window: backend.Window{Pad: [4]int{1, 1, 1, 1}, Stride: [2]int{2, 1}}}, []int{2, 7, 6, 16}, []int{40, 3, 3, 16}},
	{"odd image", backend.Conv{Window: backend.Window{Pad: [4]int{0, 1, 1, 0}}}, []int{3, 6, 5, 5}, []int{9, 2, 3, 5}},
	{"pixels", backend.Conv{}, []int{2, 9, 9, 8}, []int{24, 1, 1, 8}},
	{"groups", backend.Conv{Groups: 3}, []int{2, 9, 8, 48}, []int{39, 3, 3, 16}},
	{"depthwise", backend.Conv{Groups: 36}, []int{3, 11, 7, 36}, []int{36, 3, 3, 1}},
	{"depthwise of few", backend.Conv{Groups: 4}, []int{5, 15, 9, 4}, []int{4, 3, 3, 1}},
	{"small groups", backend.Conv{Groups: 7}, []int{2, 9, 8, 21}, []int{14, 3, 3, 3}},
}

// sums returns the exact sums of a layer.
func (l collectedLayer) sums(t *testing.T, x, zx, w *tensor.Tensor) []int32 {
	if len(l.x) == 2 {
		x, w = reshaped(x, l.x[0], 1, 1, l.x[1]), reshaped(w, l.w[0], 1, 1, l.w[1])
	}
	y := results(t, cpu.New(), backend.ConvInteger{Conv: l.conv}, []*tensor.Tensor{x, w, zx})
	v := tensor.New(tensor.Of(tensor.I32, len(y[0])/4))
	copy(v.Bytes(), y[0])
	return v.I32()
}

// op is the layer that collects c.
func (l collectedLayer) op(c backend.Collect) backend.Op {
	if len(l.x) == 2 {
		return backend.GemmDequant{Collect: c}
	}
	return backend.ConvDequant{Conv: l.conv, Collect: c}
}

// TestCollected: what is collected has the bits of backend.CodeMoments and of
// the results' ends, by every kernel, for shapes on and off the tiles, the
// largest sums, and scales of all kinds; and the results are those of a layer
// that does not collect.
func TestCollected(t *testing.T) {
	inf, nan := float32(math.Inf(1)), float32(math.NaN())
	ways := collectors
	if !cudasim.Running() {
		ways = []collector{{name: "device"}}
	}
	for _, way := range ways {
		t.Run(way.name, func(t *testing.T) {
			way.use(t)
			b, host := open(t), cpu.New()
			r := rand.New(rand.NewPCG(1, 2))
			if cudasim.Running() {
				cudasim.ClearKernels()
			}
			for i, l := range collectedLayers {
				for _, d := range []tensor.DType{tensor.I8, tensor.U8} {
					for _, fill := range []string{"random", "extreme", "opposite"} {
						x, w := backendtest.Codes(r, d, lowest(d), lowest(d)+255, l.x...), backendtest.Codes(r, tensor.I8, -128, 127, l.w...)
						zx := tensor.FromI32([]int32{int32(lowest(d) + r.IntN(256))}, 1)
						if fill != "random" {
							fillCodes(x, byte(lowest(d)+255))
							fillCodes(w, 0x80)
							zx.I32()[0] = int32(lowest(d))
							if fill == "opposite" { // Halves that cancel.
								for j := range w.Numel() / 2 {
									w.I8()[j] = 127
								}
							}
						}
						o := l.w[0]
						sw, bias := backendtest.Scales(r, o), backendtest.Normal(r, 1, o)
						for j := range o { // Every channel another kind of scale.
							switch (i + j) % 11 {
							case 1:
								sw.F32()[j] *= -1
							case 3:
								sw.F32()[j] = inf
							case 4:
								sw.F32()[j] = nan
							case 5:
								bias.F32()[j] = -inf
							case 6:
								bias.F32()[j] = nan
							case 7:
								sw.F32()[j] = 3e38 // y is not finite.
							case 8:
								sw.F32()[j] = 0
							case 9:
								sw.F32()[j] = -1e-40
							}
						}
						if fill == "opposite" {
							sw, bias = backendtest.Scales(r, 1), nil
						}
						in := []*tensor.Tensor{x, backendtest.Scales(r, 1), zx, w, sw}
						if bias != nil {
							in = append(in, bias)
						}
						name := fmt.Sprintf("%s of %v, %s", l.name, d, fill)
						want := results(t, host, l.op(backend.CollectNothing), in)
						got := results(t, b, l.op(backend.CollectMoments), in)
						require.Equal(t, want[0], got[0], name)
						checkMoments(t, l.sums(t, x, zx, w), in, got[1], name)
						got = results(t, b, l.op(backend.CollectEnds), in)
						require.Equal(t, want[0], got[0], name)
						checkEnds(t, want[0], got[1], name)
					}
				}
			}
			for _, k := range way.kernels {
				_, ok := cudasim.KernelCount(k)
				require.True(t, ok, "%s did not run", k)
			}
		})
	}
}

// TestCollectedLargeSums: squares and what they are multiplied by take more than
// 64 bits, and with equal rows the low bits of the squares carry into the 65th:
// 1093 * 129912153^2 is 2^64 and 615730421.
func TestCollectedLargeSums(t *testing.T) {
	needSim(t)
	const rows, k, channels, sum = 1093, 4096, 3, -129912153
	l := collectedLayer{"large sums", backend.Conv{}, []int{rows, k}, []int{channels, k}}
	x, w := tensor.New(tensor.Of(tensor.U8, rows, k)), tensor.New(tensor.Of(tensor.I8, channels, k))
	const whole = -sum / (255 * 128)
	rest := -sum - whole*255*128
	for i := range k {
		if i < whole {
			w.I8()[i] = -128
		}
		w.I8()[k+i] = 127
		w.I8()[2*k+i] = int8(i%2*255 - 128)
	}
	w.I8()[whole], w.I8()[whole+1] = int8(-rest/255), -1
	r := rand.New(rand.NewPCG(7, 8))
	zx := tensor.FromI32([]int32{0}, 1)
	in := []*tensor.Tensor{x, backendtest.Scales(r, 1), zx, w, backendtest.Scales(r, channels), backendtest.Normal(r, 1, channels)}
	for _, equal := range []bool{true, false} {
		for i := range x.U8() {
			x.U8()[i] = 255
			if !equal {
				x.U8()[i] -= byte(i / k % 4)
			}
			if i%k == whole+1 {
				x.U8()[i] = byte(rest % 255)
			}
		}
		sums := l.sums(t, x, zx, w)
		if equal {
			require.EqualValues(t, sum, sums[0])
		}
		for _, way := range collectors {
			if way.name == "cudnn" { // Its sums are float32.
				continue
			}
			t.Run(fmt.Sprint(way.name, ", equal rows ", equal), func(t *testing.T) {
				way.use(t)
				checkMoments(t, sums, in, results(t, open(t), l.op(backend.CollectMoments), in)[1], way.name)
			})
		}
	}
}

// checkMoments compares bytes of moments with those of sums.
func checkMoments(t *testing.T, sums []int32, in []*tensor.Tensor, got []byte, name string) {
	n := in[3].Shape()[0]
	moments := tensor.New(tensor.Of(tensor.F64, 4, n))
	copy(moments.Bytes(), got)
	m := moments.F64()
	rows := len(sums) / n
	for c := range n {
		of := backend.NoCodeMoments()
		for i := c; i < len(sums); i += n {
			of.Add(sums[i])
		}
		bias := float32(0)
		if len(in) > 5 {
			bias = in[5].F32()[c]
		}
		scale := in[1].F32()[0] * in[4].F32()[min(c, in[4].Numel()-1)]
		mean, variance, least, greatest := of.Of(rows, scale, bias)
		for i, want := range []float64{mean, variance, float64(least), float64(greatest)} {
			if math.IsNaN(mean) && i > 1 {
				continue // May be any number.
			}
			require.True(t, sameNumber(want, m[i*n+c]), "%s: row %d of channel %d is %v, not %v", name, i, c, m[i*n+c], want)
		}
	}
}

// sameNumber reports whether two numbers have the same bits, or are both NaN.
func sameNumber(a, b float64) bool {
	return math.Float64bits(a) == math.Float64bits(b) || math.IsNaN(a) && math.IsNaN(b)
}

// checkEnds compares bytes of ends with those of results.
func checkEnds(t *testing.T, results, got []byte, name string) {
	y, ends := tensor.New(tensor.Of(tensor.F32, len(results)/4)), tensor.New(tensor.Of(tensor.F32, 2))
	copy(y.Bytes(), results)
	copy(ends.Bytes(), got)
	lo, hi := math.Inf(1), math.Inf(-1)
	for _, v := range y.F32() {
		lo, hi = math.Min(lo, float64(v)), math.Max(hi, float64(v))
		if v != v {
			lo, hi = math.NaN(), math.NaN()
			break
		}
	}
	require.True(t, sameNumber(lo, float64(ends.F32()[0])) && sameNumber(hi, float64(ends.F32()[1])), "%s: ends are %v, not %v and %v", name, ends.F32(), lo, hi)
}

// TestCollectsNothing: a layer whose moments nobody uses, as one that is
// computed again, runs as one that does not collect, and one of which moments
// alone are used collects them.
func TestCollectsNothing(t *testing.T) {
	needSim(t)
	ctx := context.Background()
	b := open(t)
	r := rand.New(rand.NewPCG(3, 4))
	op := backend.GemmDequant{Collect: backend.CollectMoments}
	in := []*tensor.Tensor{backendtest.Codes(r, tensor.I8, -128, 127, 70, 24), backendtest.Scales(r, 1), backendtest.Zeros(r, tensor.I8, 1),
		backendtest.Codes(r, tensor.I8, -128, 127, 66, 24), backendtest.Scales(r, 66)}
	want := results(t, b, op, in)
	specs := make([]tensor.Spec, len(in))
	bufs := make([]backend.Buffer, len(in))
	for i, x := range in {
		var err error
		specs[i] = x.Spec()
		bufs[i], err = b.Alloc(x.Spec())
		require.NoError(t, err)
		require.NoError(t, b.Write(ctx, bufs[i], x.Bytes()))
	}
	to, err := graph.Lookup(op.OpName()).Infer(op, specs)
	require.NoError(t, err)
	for wanted := range 2 {
		out := make([]backend.Buffer, 2)
		out[wanted], err = b.Alloc(to[wanted])
		require.NoError(t, err)
		k, err := b.Bind(op, out, bufs)
		require.NoError(t, err)
		cudasim.ClearKernels()
		require.NoError(t, k.Run(ctx))
		require.NoError(t, b.Sync(ctx))
		got := make([]byte, to[wanted].Bytes())
		require.NoError(t, b.Read(ctx, got, out[wanted]))
		require.Equal(t, want[wanted], got, "result %d alone", wanted)
		for _, name := range []string{"conv_dequant_moments", "conv_dequant_64_i8_collect"} {
			_, ran := cudasim.KernelCount(name)
			require.Equal(t, wanted == 1, ran, name)
		}
	}
}

// TestCollectSupports: moments of sums that may be too large are refused, as
// are those of results that are rounded to bf16.
func TestCollectSupports(t *testing.T) {
	b := open(t)
	const most = backend.MostCollected / 255 / 128
	in := func(k int) []tensor.Spec {
		return []tensor.Spec{tensor.Of(tensor.U8, 3, k), tensor.Of(tensor.F32, 1), tensor.Of(tensor.I32, 1), tensor.Of(tensor.I8, 2, k), tensor.Of(tensor.F32, 1)}
	}
	op := backend.GemmDequant{}
	require.True(t, b.Supports(op.Collecting(backend.CollectMoments), in(most)...))
	require.False(t, b.Supports(op.Collecting(backend.CollectMoments), in(most+1)...))
	require.True(t, b.Supports(op.Collecting(backend.CollectEnds), in(most+1)...))
	op.Result = tensor.BF16
	require.True(t, b.Supports(op, in(8)...))
	require.False(t, b.Supports(op.Collecting(backend.CollectEnds), in(8)...))
}

// TestCollectedTraffic: a layer that collects moves what it moves otherwise, and
// some bytes a channel.
func TestCollectedTraffic(t *testing.T) {
	needSim(t)
	for _, c := range []struct {
		l      collectedLayer
		kernel string
		env    []string
	}{
		{collectedLayer{"tiles", backend.Conv{}, []int{500, 32}, []int{70, 32}}, "conv_dequant_64_i8", []string{"80", "int8"}},
		{collectedLayer{"large tiles", backend.Conv{}, []int{1024, 32}, []int{128, 32}}, "conv_dequant_128_i8", []string{"80", "int8"}},
		{collectedLayer{"bf16", backend.Conv{}, []int{500, 32}, []int{70, 32}}, "conv_reals_64_i8", []string{"80", "bf16"}},
		{collectedLayer{"depthwise", backend.Conv{Groups: 36}, []int{3, 21, 17, 36}, []int{36, 3, 3, 1}}, "conv_dequant_direct_i8", []string{"80", "int8"}},
		{collectedLayer{"wgmma", backend.Conv{}, []int{500, 32}, []int{70, 32}}, "wgmma_matmul_reals_128", []string{"90", "wgmma"}},
	} {
		t.Run(c.l.name, func(t *testing.T) {
			t.Setenv("GOQAT_SIM_CC", c.env[0])
			t.Setenv("GOQAT_GPU_INT8", c.env[1])
			b := open(t)
			r := rand.New(rand.NewPCG(5, 6))
			n := c.l.w[0]
			in := []*tensor.Tensor{backendtest.Codes(r, tensor.I8, -128, 127, c.l.x...), backendtest.Scales(r, 1), backendtest.Zeros(r, tensor.I8, 1),
				backendtest.Codes(r, tensor.I8, -128, 127, c.l.w...), backendtest.Scales(r, n)}
			count := func(what backend.Collect, kernel string) cudasim.Kernel {
				cudasim.ClearKernels()
				results(t, b, c.l.op(what), in)
				k, ok := cudasim.KernelCount(kernel)
				require.True(t, ok, "%s did not run", kernel)
				return k
			}
			plain := count(backend.CollectNothing, c.kernel)
			name := c.kernel
			if c.env[0] != "90" {
				name += "_collect"
			}
			moments := count(backend.CollectMoments, name)
			t.Logf("%d and %d bytes read, %d and %d written", 32*plain.ReadSectors, 32*moments.ReadSectors, 32*plain.WrittenSectors, 32*moments.WrittenSectors)
			// Sums and keys: 32 bytes a channel.
			require.LessOrEqual(t, moments.ReadSectors, plain.ReadSectors+n+5)
			require.LessOrEqual(t, moments.WrittenSectors, plain.WrittenSectors+n+5)
			last, ok := cudasim.KernelCount("conv_dequant_moments")
			require.True(t, ok)
			require.LessOrEqual(t, last.ReadSectors+last.WrittenSectors, 3*n+8) // Sums, columns of 16 bytes, moments.
			ends := count(backend.CollectEnds, name)
			require.LessOrEqual(t, ends.ReadSectors, plain.ReadSectors+1)
			require.LessOrEqual(t, ends.WrittenSectors, plain.WrittenSectors+1)
		})
	}
}

// TestVendorCollects: a library is measured against the kernel that collects,
// and what was collected is compared, too; a layer that does not collect is
// another choice.
func TestVendorCollects(t *testing.T) {
	path := withVendor(t)
	b := open(t)
	cudasim.VirtualClock()
	for _, n := range []string{"conv_dequant_64_i8", "conv_dequant_64_i8_collect"} {
		cudasim.SetCost(n, time.Second)
	}
	c := convCase(tensor.I8, 16, 16)
	in := c.in[:5]
	o := c.op.(backend.ConvDequant)
	sums := results(t, cpu.New(), backend.ConvInteger{Conv: o.Conv}, []*tensor.Tensor{in[0], in[3], in[2]})[0]
	exact := tensor.New(tensor.Of(tensor.I32, len(sums)/4))
	copy(exact.Bytes(), sums)
	want := results(t, cpu.New(), o, in)[0]
	for i, what := range []backend.Collect{backend.CollectMoments, backend.CollectEnds, backend.CollectNothing} {
		before := convolutions()
		got := results(t, b, o.Collecting(what), in)
		require.Equal(t, want, got[0])
		require.GreaterOrEqual(t, convolutions()-before, 5, "every algorithm was tried")
		switch what {
		case backend.CollectMoments:
			checkMoments(t, exact.I32(), in, got[1], "cudnn")
		case backend.CollectEnds:
			checkEnds(t, want, got[1], "cudnn")
		}
		es, err := choices.Read(path)
		require.NoError(t, err)
		require.Len(t, es, i+1)
		for _, e := range es {
			require.Equal(t, vendorDNN, e.Choice.Library, e.Key)
			require.Len(t, e.Wrong, 1, e.Key)
		}
	}
}
