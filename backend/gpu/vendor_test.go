//go:build cuda

package gpu

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/backend/backendtest"
	"github.com/goqat/goqat/backend/cpu"
	"github.com/goqat/goqat/backend/gpu/internal/choices"
	"github.com/goqat/goqat/cuda"
	"github.com/goqat/goqat/cuda/cublaslt"
	"github.com/goqat/goqat/cuda/cudnn"
	"github.com/goqat/goqat/data"
	"github.com/goqat/goqat/internal/cudasim"
	"github.com/goqat/goqat/nn"
	"github.com/goqat/goqat/program"
	"github.com/goqat/goqat/qat"
	"github.com/goqat/goqat/tensor"
	"github.com/goqat/goqat/train"
)

// withVendor lets the backends of a test find the stand-in for cuBLASLt, and
// returns the file of choices, which is not there yet.
func withVendor(t *testing.T) string {
	needSim(t)
	lib := cudasim.Vendor("cublasLt")
	require.FileExists(t, lib)
	t.Setenv(cublaslt.Env, lib)
	t.Setenv(cudnn.Env, cudasim.Vendor("cudnn"))
	path := filepath.Join(t.TempDir(), "choices.json")
	t.Setenv(choices.Env, path)
	return path
}

// openVirtual is open with the virtual clock, by which a product takes d.
func openVirtual(t *testing.T, d time.Duration) *Backend {
	b := open(t)
	cudasim.VirtualClock()
	for _, n := range []string{"matmul_dequant_64_i8", "matmul_dequant_64_u8", "code_bf16_matmul_64_i8"} {
		cudasim.SetCost(n, d)
	}
	return b
}

// vendorCase is a product of codes with inputs, bound to a backend.
type vendorCase struct {
	op  backend.Op
	in  []*tensor.Tensor
	out tensor.Spec
}

// dequantCase is m x k by k x n.
func dequantCase(m, n, k int) vendorCase {
	r := rand.New(rand.NewPCG(uint64(m), uint64(k)))
	return vendorCase{
		op: backend.MatMulDequant{MatMul: backend.MatMul{TransB: true}},
		in: []*tensor.Tensor{backendtest.Codes(r, tensor.I8, -128, 127, m, k), tensor.FromF32([]float32{0.02}, 1), tensor.FromI32([]int32{7}, 1),
			backendtest.Codes(r, tensor.I8, -127, 127, n, k), tensor.FromF32([]float32{0.5}, 1), nil},
		out: tensor.Of(tensor.F32, m, n),
	}
}

func (c vendorCase) bind(t *testing.T, b backend.Backend) (backend.Kernel, backend.Buffer) {
	ctx := context.Background()
	var bufs []backend.Buffer
	for _, x := range c.in {
		if x == nil {
			bufs = append(bufs, nil)
			continue
		}
		buf, err := b.Alloc(x.Spec())
		require.NoError(t, err)
		require.NoError(t, b.Write(ctx, buf, x.Bytes()))
		bufs = append(bufs, buf)
	}
	out, err := b.Alloc(c.out)
	require.NoError(t, err)
	k, err := b.Bind(c.op, []backend.Buffer{out}, bufs)
	require.NoError(t, err)
	return k, out
}

func (c vendorCase) run(t *testing.T, b backend.Backend) []float32 {
	ctx := context.Background()
	k, out := c.bind(t, b)
	require.NoError(t, k.Run(ctx))
	require.NoError(t, b.Sync(ctx))
	y := tensor.New(c.out)
	require.NoError(t, b.Read(ctx, y.Bytes(), out))
	return y.F32()
}

// matmuls is the number of the library's products so far.
func matmuls() int { return cudasim.Calls("cublasLtMatmul") }

// TestVendorIsChosenByMeasurement: the fastest of the right ones wins, by the
// device's clock, whoever's it is, and the next process knows it.
func TestVendorIsChosenByMeasurement(t *testing.T) {
	c := dequantCase(40, 64, 96)
	want := c.run(t, cpu.New())
	for _, e := range []struct {
		name  string
		own   time.Duration
		arch  string
		their bool
	}{{"theirs", time.Second, "75", true}, {"theirs", time.Second, "80", true}, {"theirs", time.Second, "90", true}, {"own", 20 * time.Microsecond, "80", false}} {
		t.Run(e.name+e.arch, func(t *testing.T) {
			path := withVendor(t)
			t.Setenv("GOQAT_SIM_CC", e.arch)
			b := openVirtual(t, e.own)
			require.Equal(t, want, c.run(t, b))
			measured := matmuls()
			orders := len(cublaslt.Orders(b.c.Device().Arch()))
			require.GreaterOrEqual(t, measured, 5*orders, "every algorithm was tried")
			require.Equal(t, want, c.run(t, b))
			again := matmuls() - measured
			if e.their {
				require.Equal(t, 1, again, "measured once")
			} else {
				require.Zero(t, again)
			}
			es, err := choices.Read(path)
			require.NoError(t, err)
			require.Len(t, es, 1)
			require.Len(t, es[0].Wrong, orders, "one algorithm in each order is wrong")
			require.Equal(t, e.their, es[0].Choice.Library != "")
			if e.their {
				// With workspace is the fastest of the right ones, and nothing has to
				// be packed when matrices lie row by row.
				require.Equal(t, int(cublaslt.Rows), es[0].Choice.Order)
				require.Equal(t, "04", es[0].Choice.Algorithm[:2])
				require.Less(t, es[0].Nanoseconds, es[0].OwnNanoseconds)
			}
			text := strings.Join(b.Describe(), "\n")
			require.Contains(t, text, "cuBLASLt 12.4.5 (")
			require.Contains(t, text, "measured choices: 1 in "+path)
			require.Contains(t, text, "wrong results, not used: cublaslt, number 2 of order 0: ")

			// Another process: another backend has no memory of it.
			closed(t, b)
			b = openVirtual(t, e.own)
			require.Equal(t, want, c.run(t, b))
			if e.their {
				require.Equal(t, 2, matmuls(), "once to load the code, once to compute: nothing is measured")
			} else {
				require.Zero(t, matmuls())
			}
		})
	}
}

// TestVendorConformance: every product of codes has the CPU's bits when it is
// the library's, in every order that a device knows.
func TestVendorConformance(t *testing.T) {
	for _, arch := range []string{"75", "80", "90"} {
		t.Run(arch, func(t *testing.T) {
			withVendor(t)
			t.Setenv("GOQAT_SIM_CC", arch)
			t.Setenv(vendorEnv, vendorLt)
			b := open(t)
			for _, name := range []string{"matmul_integer", "matmul_dequant", "qlinear_matmul", "gemm_dequant", "qlinear_gemm", "conv_integer", "conv_dequant", "qlinear_conv"} {
				before := matmuls()
				backendtest.RunSupportedOf(t, b, name)
				require.Greater(t, matmuls(), before, "%s: the library computed none", name)
			}
		})
	}
}

// TestVendorOrders: products of awkward sizes and types in each order, which
// measurement alone would not choose.
func TestVendorOrders(t *testing.T) {
	withVendor(t)
	t.Setenv(vendorEnv, vendorLt)
	r := rand.New(rand.NewPCG(3, 4))
	b := open(t)
	dequantCase(8, 8, 8).run(t, b) // It opens the library.
	for _, s := range [][3]int{{1, 1, 1}, {3, 5, 7}, {33, 31, 65}, {64, 96, 32}, {70, 8, 130}} {
		m, n, k := s[0], s[1], s[2]
		for _, types := range [][2]tensor.DType{{tensor.I8, tensor.I8}, {tensor.U8, tensor.I8}, {tensor.I8, tensor.U8}, {tensor.U8, tensor.U8}} {
			for _, trans := range []backend.MatMul{{}, {TransB: true}} {
				shape := []int{k, n}
				if trans.TransB {
					shape = []int{n, k}
				}
				c := vendorCase{op: backend.MatMulDequant{MatMul: trans}, out: tensor.Of(tensor.F32, m, n), in: []*tensor.Tensor{
					extremes(r, types[0], m, k), tensor.FromF32([]float32{0.02}, 1), tensor.FromI32([]int32{5}, 1),
					extremes(r, types[1], shape...), tensor.FromF32([]float32{0.5}, 1), tensor.FromI32([]int32{3}, 1)}}
				want := c.run(t, cpu.New())
				for _, o := range cublaslt.Orders(80) {
					require.Equal(t, want, c.runIn(t, b, o), "%v, %v, %+v, order %v", s, types, trans, o)
				}
			}
		}
	}
}

// extremes are codes of which many are the least or the largest.
func extremes(r *rand.Rand, d tensor.DType, shape ...int) *tensor.Tensor {
	lo, hi := -128, 127
	if d == tensor.U8 {
		lo, hi = 0, 255
	}
	x := backendtest.Codes(r, d, lo, hi, shape...)
	for i := range x.Bytes() {
		switch r.IntN(4) {
		case 0:
			x.Bytes()[i] = byte(lo)
		case 1:
			x.Bytes()[i] = byte(hi)
		}
	}
	return x
}

// runIn runs a product in one order, by the first algorithm.
func (c vendorCase) runIn(t *testing.T, b *Backend, o cublaslt.Order) []float32 {
	var in []*Buffer
	ctx := context.Background()
	for _, x := range c.in {
		buf, err := b.Alloc(x.Spec())
		require.NoError(t, err)
		require.NoError(t, b.Write(ctx, buf, x.Bytes()))
		in = append(in, buf.(*Buffer))
	}
	m, n, depth := c.out.Shape[0], c.out.Shape[1], c.in[0].Spec().Shape[1]
	as, err := b.vendor.lt.Algorithms(cublaslt.Product{Order: o, M: m, N: up(n, o.Multiple()), K: up(depth, o.Multiple())}, 0)
	require.NoError(t, err)
	choice := &choices.Choice{Library: vendorLt, Order: int(o), Algorithm: hex.EncodeToString(as[0].ID[:])}
	out, err := b.Alloc(c.out)
	require.NoError(t, err)
	nk := b.newBound(c.op, backend.Specs([]backend.Buffer{in[0]}))
	build := &build{Backend: b, k: nk, module: "matmul_dequant", out: []*Buffer{out.(*Buffer)}, in: in, forced: choice}
	require.NoError(t, kernels["matmul_dequant"].bind(build, c.op, build.out, in))
	require.NoError(t, nk.Run(ctx))
	require.NoError(t, b.Sync(ctx))
	y := tensor.New(c.out)
	require.NoError(t, b.Read(ctx, y.Bytes(), out))
	nk.r.release()
	return y.F32()
}

// TestVendorInGraphs: a recorded step has the library's products, and replays
// them on new inputs.
func TestVendorInGraphs(t *testing.T) {
	withVendor(t)
	t.Setenv(vendorEnv, vendorLt)
	ctx := context.Background()
	c := dequantCase(40, 64, 96)
	want := c.run(t, cpu.New())
	b := open(t)
	k, out := c.bind(t, b)
	before := matmuls()
	step, err := b.Record([]backend.Kernel{k})
	require.NoError(t, err)
	require.Equal(t, before+1, matmuls(), "captured once")
	require.NoError(t, b.Write(ctx, out, make([]byte, c.out.Bytes())))
	for range 3 {
		require.NoError(t, step.Run(ctx))
	}
	require.NoError(t, b.Sync(ctx))
	require.Equal(t, before+1, matmuls(), "replays do not call the library")
	y := tensor.New(c.out)
	require.NoError(t, b.Read(ctx, y.Bytes(), out))
	require.Equal(t, want, y.F32())
}

// TestVendorAbsentOrOld: goqat's kernels then, and doctor says why.
func TestVendorAbsentOrOld(t *testing.T) {
	c := dequantCase(40, 64, 96)
	want := c.run(t, cpu.New())
	check := func(t *testing.T, says ...string) {
		b := open(t)
		require.Equal(t, want, c.run(t, b))
		require.Zero(t, matmuls())
		text := strings.Join(b.Describe(), "\n")
		for _, s := range says {
			require.Contains(t, text, s)
		}
	}
	t.Run("absent", func(t *testing.T) {
		withVendor(t)
		t.Setenv(cublaslt.Env, "/no/such/library.so")
		check(t, "cublaslt: no cuBLASLt: /no/such/library.so", "(goqat's kernels do it all)", "nvidia-cublas-cu12", cublaslt.Env)
	})
	t.Run("another library", func(t *testing.T) {
		withVendor(t)
		t.Setenv(cublaslt.Env, os.Getenv("GOQAT_CUDA_DRIVER"))
		check(t, "cuBLASLt too old", "has no function cublasLtGetProperty")
	})
	t.Run("old", func(t *testing.T) {
		withVendor(t)
		link := filepath.Join(t.TempDir(), "old.so")
		require.NoError(t, os.Symlink(os.Getenv(cublaslt.Env), link))
		t.Setenv(cublaslt.Env, link)
		t.Setenv("GOQAT_SIM_LT_MAJOR", "10")
		check(t, "cuBLASLt too old", "is version 10.4.5, and 11.0 is needed")
	})
	t.Run("does not start", func(t *testing.T) {
		withVendor(t)
		t.Setenv("GOQAT_SIM_FAIL", "cublasLtCreate:1:999")
		check(t, "does not start: cublaslt: cublasLtCreate: status 13")
	})
	t.Run("nothing supported", func(t *testing.T) {
		withVendor(t)
		t.Setenv("GOQAT_SIM_LT_NONE", "1")
		check(t)
	})
	t.Run("off", func(t *testing.T) {
		withVendor(t)
		t.Setenv(vendorEnv, "0")
		check(t, "switched off by GOQAT_GPU_VENDOR=0")
	})
	t.Run("unknown", func(t *testing.T) {
		withVendor(t)
		t.Setenv(vendorEnv, "0")
		b := open(t)
		b.vendor.notes = nil
		t.Setenv(vendorEnv, "mkl")
		b.vendor.init(b.c)
		require.Contains(t, strings.Join(b.Describe(), "\n"), "GOQAT_GPU_VENDOR=mkl is unknown: say 0, auto, cublaslt or cudnn")
	})
}

// TestVendorChoicesAreChecked: a file that is damaged, of another machine, or
// with an algorithm that the library does not offer, is a file without the
// shape.
func TestVendorChoicesAreChecked(t *testing.T) {
	c := dequantCase(40, 64, 96)
	want := c.run(t, cpu.New())
	path := withVendor(t)
	b := openVirtual(t, time.Second)
	require.Equal(t, want, c.run(t, b))
	measured := matmuls()
	good, err := os.ReadFile(path)
	require.NoError(t, err)
	closed(t, b)
	edit := func(from, to string) []byte {
		require.Contains(t, string(good), from)
		return []byte(strings.Replace(string(good), from, to, 1))
	}
	for name, text := range map[string][]byte{
		"damaged":           good[:len(good)/2],
		"algorithm":         edit(`"algorithm": "04`, `"algorithm": "77`),
		"order":             edit(`"library": "cublaslt"`, `"library": "cublaslt", "order": 9`),
		"another library":   edit(`"library": "cublaslt"`, `"library": "rocblas"`),
		"another device":    edit(`"arch": 80`, `"arch": 86`),
		"another version":   edit("12.4.5", "12.4.6"),
		"another operation": edit("matmul_dequant", "matmul_integer"),
		"another kernel":    edit(`"kernels": "`, `"kernels": "0`),
		"before kernels":    regexp.MustCompile(`"kernels": "[0-9a-f]{16}",`).ReplaceAll(good, nil),
	} {
		t.Run(name, func(t *testing.T) {
			require.NoError(t, os.WriteFile(path, text, 0o600))
			b := openVirtual(t, time.Second)
			require.Equal(t, want, c.run(t, b))
			require.Equal(t, measured, matmuls(), "it is measured anew")
			es, err := choices.Read(path)
			require.NoError(t, err)
			require.True(t, slices.ContainsFunc(es, func(e choices.Entry) bool { return strings.HasPrefix(e.Choice.Algorithm, "04") && e.Arch == 80 }))
			if name == "damaged" {
				require.Contains(t, strings.Join(b.Describe(), "\n"), "choices are measured anew")
			}
		})
	}
	require.True(t, json.Valid(good))
}

// TestVendorFaults: whatever call fails at first use, the result is right or the
// error is a typed one, and nothing is left.
func TestVendorFaults(t *testing.T) {
	c := dequantCase(40, 64, 96)
	want := c.run(t, cpu.New())
	ctx := context.Background()
	for _, name := range []string{"cublasLtMatmul", "cublasLtMatmulAlgoGetHeuristic", "cublasLtMatrixLayoutCreate", "cublasLtMatmulDescCreate",
		"cublasLtMatmulPreferenceCreate", "cuMemAlloc", "cuEventCreate"} {
		for _, code := range []int{2, 801} {
			for n := 1; n <= 3; n += 2 {
				withVendor(t)
				b := openVirtual(t, time.Second)
				k, out := func() (backend.Kernel, backend.Buffer) {
					var bufs []backend.Buffer
					for _, x := range c.in {
						if x == nil {
							bufs = append(bufs, nil)
							continue
						}
						buf, err := b.Alloc(x.Spec())
						require.NoError(t, err)
						require.NoError(t, b.Write(ctx, buf, x.Bytes()))
						bufs = append(bufs, buf)
					}
					out, err := b.Alloc(c.out)
					require.NoError(t, err)
					cudasim.FailAt(name, n, code, false)
					k, err := b.Bind(c.op, []backend.Buffer{out}, bufs)
					cudasim.ClearFaults()
					if err != nil {
						var e *backend.Error
						require.ErrorAs(t, err, &e, "%s %d %d", name, n, code)
						k, err = b.Bind(c.op, []backend.Buffer{out}, bufs)
						require.NoError(t, err, "the next one is well")
					}
					return k, out
				}()
				require.NoError(t, k.Run(ctx))
				require.NoError(t, b.Sync(ctx))
				y := tensor.New(c.out)
				require.NoError(t, b.Read(ctx, y.Bytes(), out))
				require.Equal(t, want, y.F32(), "%s %d %d", name, n, code)
				closed(t, b)
			}
		}
	}
}

// TestVendorLost: a fault of the device inside of the library ends its use, with
// the error that says so.
func TestVendorLost(t *testing.T) {
	withVendor(t)
	t.Setenv(vendorEnv, vendorLt)
	b := open(t)
	k, _ := dequantCase(40, 64, 96).bind(t, b)
	cudasim.FailAt("cublasLtMatmul", 1, 700, true)
	require.NoError(t, k.Run(context.Background()))
	require.ErrorIs(t, b.Sync(context.Background()), cuda.ErrLost)
}

// TestVendorExecutionFails: what the library could not start is no lost device,
// neither where it is measured nor in a capture, which then is none.
func TestVendorExecutionFails(t *testing.T) {
	c, ctx := dequantCase(40, 64, 96), context.Background()
	withVendor(t)
	b := openVirtual(t, time.Second)
	cudasim.FailAt("cublasLtMatmul", 1, 719, false)
	require.Equal(t, c.run(t, cpu.New()), c.run(t, b))
	require.NoError(t, b.c.Lost())
	closed(t, b)

	t.Setenv(vendorEnv, vendorLt)
	b = open(t)
	k, _ := c.bind(t, b)
	cudasim.FailAt("cublasLtMatmul", 1, 719, false)
	_, err := b.Record([]backend.Kernel{k})
	require.ErrorIs(t, err, backend.ErrUnsupported)
	cudasim.FailAt("cublasLtMatmul", 1, 719, false)
	require.NoError(t, k.Run(ctx))
	require.Error(t, b.Sync(ctx))
	require.NoError(t, b.c.Lost())
	require.NoError(t, k.Run(ctx))
	require.NoError(t, b.Sync(ctx))
}

// TestVendorTrainingStep: a recorded training step of a network has the library's
// products, and leaves what the step with goqat's kernels alone leaves, bit for
// bit.
func TestVendorTrainingStep(t *testing.T) {
	const batch = 8
	ctx := context.Background()
	withVendor(t)
	splits, err := data.Open(ctx, "digits", data.Options{Seed: 1, Normalize: true, MaxSamples: batch})
	require.NoError(t, err)
	set := splits.Train
	g, err := nn.Build("mlp", set.Shape(), set.Classes(), 3)
	require.NoError(t, err)
	qc := qat.Default()
	qc.Backward = backend.GradF32.String()
	p, err := qat.Prepare(g, qc)
	require.NoError(t, err)
	host := cpu.New()
	from := program.NewState(host)
	_, err = qat.Calibrate(ctx, p, set, qat.DataOptions{State: from, Samples: batch, Batch: batch})
	require.NoError(t, err)
	x, y := tensor.New(tensor.Of(tensor.F32, append([]int{batch}, set.Shape()...)...)), tensor.New(tensor.Of(tensor.I32, batch))
	pixels := set.Shape().Numel()
	for j := range batch {
		y.I32()[j], err = set.Sample(j, x.F32()[j*pixels:(j+1)*pixels])
		require.NoError(t, err)
	}
	c := train.DefaultConfig()
	c.Batch = batch
	step := func(force string) map[string][]byte {
		t.Setenv(vendorEnv, force)
		b := open(t)
		defer closed(t, b)
		to := program.NewState(b)
		s, err := train.CompileStep(ctx, p, c, qc.Phases(100)[len(qc.Phases(100))-1].Mode, to)
		require.NoError(t, err)
		defer s.Program().Close()
		for _, name := range from.Names() {
			v, err := from.Read(ctx, name)
			require.NoError(t, err)
			require.NoError(t, to.Write(ctx, name, v))
		}
		for range 3 {
			_, err := s.Run(ctx, &data.Batch{X: x, Y: y, N: batch}, 0.05)
			require.NoError(t, err)
		}
		left := map[string][]byte{}
		for _, name := range to.Names() {
			v, err := to.Read(ctx, name)
			require.NoError(t, err)
			left[name] = v.Bytes()
		}
		require.NotEmpty(t, left)
		if force == "0" {
			require.Zero(t, matmuls())
		} else {
			require.Positive(t, matmuls(), "no product is the library's")
			require.Positive(t, cudasim.Count().GraphLaunches, "the step is no graph")
			n := matmuls()
			_, err := s.Run(ctx, &data.Batch{X: x, Y: y, N: batch}, 0)
			require.NoError(t, err)
			require.Equal(t, n, matmuls(), "the library is called once, while the step is recorded")
		}
		return left
	}
	require.Equal(t, step("0"), step(vendorLt))
}
