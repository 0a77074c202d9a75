//go:build cuda

package gpu

import (
	"context"
	"encoding/hex"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/backend/backendtest"
	"github.com/goqat/goqat/backend/cpu"
	"github.com/goqat/goqat/backend/gpu/internal/choices"
	"github.com/goqat/goqat/cuda/cublaslt"
	"github.com/goqat/goqat/graph"
	"github.com/goqat/goqat/internal/cudasim"
	"github.com/goqat/goqat/program"
	"github.com/goqat/goqat/quant"
	"github.com/goqat/goqat/tensor"
)

// The stand-in's algorithms that make codes alone, by their numbers: all but one
// of four tell from goqat's rounding when sums are large.
var wrongRoundings = map[string]string{"05": "ties away from zero", "06": "sums are cut", "07": "products in float64", "08": "parts as float32"}

// int8Product is m x k by k x n from codes to codes, zero points 0, with a scale
// of the weights or one for each column.
func int8Product(m, n, k int, each bool) vendorCase {
	r := rand.New(rand.NewPCG(uint64(m), uint64(k)))
	sw := make([]float32, 1)
	if each {
		sw = make([]float32, n)
	}
	for i := range sw {
		sw[i] = 0.0113 + 0.0001*float32(i)
	}
	zero := tensor.FromI32([]int32{0}, 1)
	return vendorCase{
		op: backend.QLinearMatMul{MatMul: backend.MatMul{TransB: true}, Rule: quant.ONNX, Scheme: quant.Int8()},
		in: []*tensor.Tensor{backendtest.Codes(r, tensor.I8, -128, 127, m, k), tensor.FromF32([]float32{0.021}, 1), zero,
			backendtest.Codes(r, tensor.I8, -127, 127, n, k), tensor.FromF32(sw, len(sw)), tensor.FromI32(make([]int32, len(sw)), len(sw)),
			tensor.FromF32([]float32{0.17 * float32(math.Sqrt(float64(k)))}, 1), zero},
		out: tensor.Of(tensor.I8, m, n),
	}
}

// bindConstants is bind with constants: all inputs from the second on are, but
// for those named.
func (c vendorCase) bindConstants(t *testing.T, b backend.Backend, but ...int) (backend.Kernel, []backend.Buffer, backend.Buffer) {
	ctx := context.Background()
	var bufs []backend.Buffer
	for i, x := range c.in {
		if x == nil {
			bufs = append(bufs, nil)
			continue
		}
		buf, err := b.Alloc(x.Spec())
		require.NoError(t, err)
		require.NoError(t, b.Write(ctx, buf, x.Bytes()))
		if f, ok := buf.(interface{ Freeze() }); ok && i > 0 && !slices.Contains(but, i) {
			f.Freeze()
		}
		bufs = append(bufs, buf)
	}
	y, err := b.Alloc(c.out)
	require.NoError(t, err)
	outs := []backend.Buffer{y, nil}
	k, err := b.Bind(c.op, outs, bufs)
	require.NoError(t, err)
	return k, bufs, y
}

func (c vendorCase) codes(t *testing.T, b backend.Backend, but ...int) []byte {
	k, _, y := c.bindConstants(t, b, but...)
	return runCodes(t, b, k, y)
}

func runCodes(t *testing.T, b backend.Backend, k backend.Kernel, y backend.Buffer) []byte {
	ctx := context.Background()
	require.NoError(t, k.Run(ctx))
	require.NoError(t, b.Sync(ctx))
	to := make([]byte, y.Spec().Bytes())
	require.NoError(t, b.Read(ctx, to, y))
	return to
}

// chosen returns the choices of a backend in this process.
func chosen(b *Backend) map[string]choices.Entry {
	if l := b.vendor.libs[vendorLt]; l != nil {
		return l.known
	}
	return nil
}

// openCodes is open with the virtual clock, by which goqat's products take d.
func openCodes(t *testing.T, d time.Duration) *Backend {
	b := openVirtual(t, d)
	for _, n := range []string{"qlinear_matmul_64_i8", "qlinear_matmul_64_u8", "qlinear_conv_64_i8"} {
		cudasim.SetCost(n, d)
	}
	return b
}

// TestVendorCodes: codes that the library makes are the CPU's, in each order of
// a device, of awkward sizes and in every operation that has them.
func TestVendorCodes(t *testing.T) {
	conv := func(o, c int) vendorCase {
		v := int8Product(2*5*3, o, c, true)
		v.op = backend.QLinearConv{Rule: quant.ONNX, Scheme: quant.Int8(), Lo: unbounded[0], Hi: unbounded[1]}
		v.in[0], v.in[3] = reshaped(v.in[0], 2, 5, 3, c), reshaped(v.in[3], o, 1, 1, c)
		v.in = append(v.in, tensor.FromI32(make([]int32, o), o)) // A bias of zeros.
		v.out = tensor.Of(tensor.I8, 2, 5, 3, o)
		return v
	}
	linear := int8Product(9, 12, 40, false)
	linear.op = backend.QLinearGemm{Rule: quant.ONNX, Scheme: quant.Int8(), Lo: unbounded[0], Hi: unbounded[1]}
	linear.in[5] = nil
	turned := int8Product(33, 7, 21, true)
	turned.op = backend.QLinearMatMul{Rule: quant.ONNX, Scheme: quant.Int8()}
	turned.in[3] = transposed(turned.in[3])
	cases := map[string]vendorCase{"one": int8Product(8, 8, 8, false), "each": int8Product(8, 8, 8, true), "awkward": int8Product(3, 5, 7, true),
		"awkward, one scale": int8Product(70, 33, 65, false), "aligned": int8Product(40, 64, 96, true), "one row": int8Product(1, 36, 64, true), "turned": turned,
		"linear": linear, "conv": conv(12, 16), "awkward conv": conv(5, 9), "depth 1": int8Product(16, 16, 1, true)}
	for _, arch := range []string{"75", "80", "90"} {
		t.Run(arch, func(t *testing.T) {
			withVendor(t)
			t.Setenv("GOQAT_SIM_CC", arch)
			t.Setenv(vendorEnv, vendorLt)
			b := open(t)
			for name, c := range cases {
				want := c.codes(t, cpu.New())
				before := len(chosen(b))
				require.Equal(t, want, c.codes(t, b), name)
				require.Len(t, chosen(b), before+1, name)
				for key, e := range chosen(b) {
					require.NotEmpty(t, e.Choice.Form, "%s: %s", name, key)
				}
				for _, o := range cublaslt.Orders(b.c.Device().Arch()) {
					for form, result := range vendorForms {
						if form != "" && (result != cublaslt.Codes || len(c.in[4].F32()) == 1) && (result != cublaslt.CodesEach || o == cublaslt.Rows) {
							require.Equal(t, want, c.codesBy(t, b, choices.Choice{Library: vendorLt, Order: int(o), Form: form}, "03"), "%s: %v, %s", name, o, form)
						}
					}
				}
			}
		})
	}
}

// codesBy runs one algorithm of the stand-in.
func (c vendorCase) codesBy(t *testing.T, b *Backend, choice choices.Choice, number string) []byte {
	o := cublaslt.Order(choice.Order)
	var in []*Buffer
	ctx := context.Background()
	for _, x := range c.in {
		if x == nil {
			in = append(in, nil)
			continue
		}
		buf, err := b.Alloc(x.Spec())
		require.NoError(t, err)
		require.NoError(t, b.Write(ctx, buf, x.Bytes()))
		in = append(in, buf.(*Buffer))
	}
	y, err := b.Alloc(c.out)
	require.NoError(t, err)
	n, depth := c.out.Shape.Last(), c.in[0].Shape().Last()
	m := c.out.Shape.Numel() / n
	as, err := b.vendor.lt.Algorithms(cublaslt.Product{Order: o, Result: vendorForms[choice.Form], M: m, N: up(n, o.Multiple()), K: up(depth, o.Multiple())}, 0)
	require.NoError(t, err)
	for _, a := range as {
		if id := hex.EncodeToString(a.ID[:]); strings.HasPrefix(id, number) {
			choice.Algorithm = id
		}
	}
	require.NotEmpty(t, choice.Algorithm)
	nk := b.newBound(c.op, nil)
	out := []*Buffer{y.(*Buffer), nil}
	module := kernels[c.op.OpName()].module
	require.NoError(t, kernels[c.op.OpName()].bind(&build{Backend: b, k: nk, module: module, out: out, in: in, forced: &choice}, c.op, out, in))
	defer nk.r.release()
	return runCodes(t, b, nk, y)
}

// TestVendorCodesAreProven: an algorithm whose codes are not rounded as goqat's
// is never used, whatever the operation's own data show, and the fastest of the
// others is.
func TestVendorCodesAreProven(t *testing.T) {
	for _, arch := range []string{"75", "80", "90"} {
		for _, each := range []bool{false, true} {
			if !each && (arch == "75" || arch == "80" && testing.Short()) {
				continue // Orders of 32 columns are slow to prove, and 80 has those of 75.
			}
			t.Run(fmt.Sprint(arch, each), func(t *testing.T) {
				path := withVendor(t)
				t.Setenv("GOQAT_SIM_CC", arch)
				deep, flat := int8Product(12, 8, 2600, each), int8Product(40, 32, 96, each)
				want := deep.codes(t, cpu.New())
				b := openCodes(t, time.Second)
				require.Equal(t, want, deep.codes(t, b))
				es, err := choices.Read(path)
				require.NoError(t, err)
				require.Len(t, es, 1)
				e := es[0]
				require.True(t, strings.HasSuffix(e.Key, map[bool]string{false: " codes", true: " codes by column"}[each]), e.Key)
				require.NotEmpty(t, e.Choice.Form)
				require.Equal(t, "04", e.Choice.Algorithm[:2], "the fastest of the right ones")
				forms := map[bool][]string{true: {"codes by column"}, false: {"codes by column", "codes"}}[each]
				for number, what := range wrongRoundings {
					for _, f := range forms {
						require.True(t, slices.ContainsFunc(e.Refused, func(id string) bool { return strings.HasPrefix(id, "cublaslt 0 "+f+" "+number) }), "%s: %s of %v",
							what, f, e.Refused)
						// Its own data do not show it.
						require.Equal(t, want, deep.codesBy(t, b, choices.Choice{Library: vendorLt, Form: f}, number), what)
					}
				}
				for _, number := range []string{"00", "03", "04"} {
					require.False(t, slices.ContainsFunc(e.Refused, func(id string) bool { return strings.Contains(id, " "+number) }), "%s of %v", number, e.Refused)
				}
				text := strings.Join(b.Describe(), "\n")
				require.Regexp(t, `number 5 of order 0 to codes(: | by column: )rounds otherwise than goqat, \d+ bytes of a proof differ`, text)

				// Another process knows the choice, and which are refused: also at a
				// shape where some are right.
				closed(t, b)
				b = openCodes(t, time.Second)
				require.Equal(t, want, deep.codes(t, b))
				require.Equal(t, 2, matmuls(), "once to load the code, once to compute: nothing is measured")
				require.Equal(t, flat.codes(t, cpu.New()), flat.codes(t, b))
				es, err = choices.Read(path)
				require.NoError(t, err)
				require.Len(t, es, 2)
				require.Equal(t, "04", es[1].Choice.Algorithm[:2])
				require.Contains(t, strings.Join(es[1].Wrong, "\n"), "algorithms that round otherwise at another shape")
			})
		}
	}
}

// TestVendorProofFindsEach: the proof at a shape finds what its sums can show,
// and nothing else.
func TestVendorProofFindsEach(t *testing.T) {
	path := withVendor(t)
	c := int8Product(40, 32, 96, true) // Sums below 2^24.
	b := openCodes(t, time.Second)
	require.Equal(t, c.codes(t, cpu.New()), c.codes(t, b))
	es, err := choices.Read(path)
	require.NoError(t, err)
	var refused []string
	for _, id := range es[0].Refused {
		if n, ok := strings.CutPrefix(id, "cublaslt 0 codes by column "); ok {
			refused = append(refused, n[:2])
		}
	}
	// 02 is the one with a wrong element.
	require.Equal(t, []string{"02", "05", "07"}, refused)
	require.Contains(t, []string{"06", "08"}, es[0].Choice.Algorithm[:2], "exact while float32 holds all sums")
}

// TestVendorCodesWhereTheyFit: only what the library's epilogue can say.
func TestVendorCodesWhereTheyFit(t *testing.T) {
	type edit func(*vendorCase) (but []int)
	op := func(f func(*backend.QLinearMatMul)) edit {
		return func(c *vendorCase) []int {
			o := c.op.(backend.QLinearMatMul)
			f(&o)
			c.op = o
			return nil
		}
	}
	in := func(i int, x *tensor.Tensor) edit {
		return func(c *vendorCase) []int { c.in[i] = x; return nil }
	}
	variable := func(i int) edit { return func(*vendorCase) []int { return []int{i} } }
	one := func(z int32) *tensor.Tensor { return tensor.FromI32([]int32{z}, 1) }
	for name, e := range map[string]struct {
		edit edit
		fits bool
	}{
		"as it is":                {func(*vendorCase) []int { return nil }, true},
		"variable scales":         {func(*vendorCase) []int { return []int{1, 4, 6} }, true},
		"variable zero of x":      {variable(2), false},
		"variable zero of w":      {variable(5), false},
		"variable zero of y":      {variable(7), false},
		"zero of x":               {in(2, one(1)), false},
		"zero of y":               {in(7, one(-3)), false},
		"narrow codes":            {op(func(o *backend.QLinearMatMul) { o.Scheme.Narrow = true }), false},
		"4 bits":                  {op(func(o *backend.QLinearMatMul) { o.Scheme.Bits = 4 }), false},
		"ties away from zero":     {op(func(o *backend.QLinearMatMul) { o.Rule.Rounding = quant.HalfAway }), false},
		"fixed-point multipliers": {op(func(o *backend.QLinearMatMul) { o.Rule = quant.TFLite }), false},
	} {
		t.Run(name, func(t *testing.T) {
			withVendor(t)
			t.Setenv(vendorEnv, vendorLt)
			b := open(t)
			c := int8Product(8, 12, 16, false)
			but := e.edit(&c)
			require.Equal(t, c.codes(t, cpu.New()), c.codes(t, b, but...))
			require.Len(t, chosen(b), 1)
			for key, x := range chosen(b) {
				require.Equal(t, e.fits, x.Choice.Form != "", "%s: %+v", key, x.Choice)
				require.Equal(t, vendorLt, x.Choice.Library)
			}
		})
	}
}

// TestVendorCodesFollowScales: multipliers are read on the device, in each step.
func TestVendorCodesFollowScales(t *testing.T) {
	ctx := context.Background()
	for _, each := range []bool{false, true} {
		withVendor(t)
		t.Setenv(vendorEnv, vendorLt)
		b := open(t)
		c := int8Product(8, 12, 64, each)
		k, bufs, y := c.bindConstants(t, b, 1, 4, 6)
		step, err := b.Record([]backend.Kernel{k})
		require.NoError(t, err)
		before := matmuls()
		for _, s := range []float32{0.5, 1, 3} {
			c.in[1] = tensor.FromF32([]float32{0.021 * s}, 1)
			require.NoError(t, b.Write(ctx, bufs[1], c.in[1].Bytes()))
			require.Equal(t, c.codes(t, cpu.New()), runCodes(t, b, step, y), "%v", s)
		}
		require.Equal(t, before, matmuls(), "replays do not call the library")
		for key, e := range chosen(b) {
			require.NotEmpty(t, e.Choice.Form, key)
		}
		// No number is an error, as from goqat's own kernel.
		require.NoError(t, b.Write(ctx, bufs[1], tensor.FromF32([]float32{float32(math.Inf(1))}, 1).Bytes()))
		require.NoError(t, step.Run(ctx))
		require.ErrorIs(t, b.Sync(ctx), backend.ErrNaN)
		closed(t, b)
	}
}

// TestVendorCodesOfPrograms: constants of a graph are such for the backend, so
// that symmetric layers of a program have the library's codes, and others not.
func TestVendorCodesOfPrograms(t *testing.T) {
	ctx := context.Background()
	for _, zero := range []int32{0, 3} {
		withVendor(t)
		t.Setenv(vendorEnv, vendorLt)
		b := open(t)
		c := int8Product(9, 20, 64, true)
		c.in[7] = tensor.FromI32([]int32{zero}, 1)
		g := graph.New()
		ins := []graph.Value{g.Input("x", c.in[0].Spec())}
		for i, x := range c.in[1:] {
			ins = append(ins, g.Const(fmt.Sprint("c", i), x))
		}
		g.Output("y", g.ApplyN(c.op, ins...)[0])
		p, err := program.Compile(ctx, g, program.Options{Backend: b, Batch: 9})
		require.NoError(t, err)
		require.NoError(t, p.SetInput(ctx, "x", c.in[0]))
		require.NoError(t, p.Run(ctx))
		y := tensor.New(c.out)
		require.NoError(t, p.ReadOutput(ctx, "y", y))
		require.Equal(t, c.codes(t, cpu.New()), y.Bytes())
		require.Len(t, chosen(b), 1)
		for _, e := range chosen(b) {
			require.Equal(t, zero == 0, e.Choice.Form != "", "%+v", e)
		}
		p.Close()
		closed(t, b)
	}
}

// TestVendorCodesFaults: whatever call fails while codes are proven, the result is
// right or the error is a typed one, and the next operation is well.
func TestVendorCodesFaults(t *testing.T) {
	c := int8Product(40, 32, 64, true)
	want := c.codes(t, cpu.New())
	for _, name := range []string{"cublasLtMatmul", "cublasLtMatmulAlgoGetHeuristic", "cublasLtMatmulDescCreate", "cuMemAlloc", "cuMemcpyHtoDAsync", "cuLaunchKernel"} {
		for _, code := range []int{2, 801} {
			for _, n := range []int{1, 4, 9} {
				withVendor(t)
				b := openCodes(t, time.Second)
				bufs := make([]backend.Buffer, len(c.in))
				for i, x := range c.in {
					var err error
					bufs[i], err = b.Alloc(x.Spec())
					require.NoError(t, err)
					require.NoError(t, b.Write(context.Background(), bufs[i], x.Bytes()))
					bufs[i].(*Buffer).Freeze()
				}
				y, err := b.Alloc(c.out)
				require.NoError(t, err)
				require.NoError(t, b.Sync(context.Background()), "so that no fault is that of a write before")
				cudasim.FailAt(name, n, code, false)
				k, err := b.Bind(c.op, []backend.Buffer{y, nil}, bufs)
				cudasim.ClearFaults()
				if err != nil {
					var e *backend.Error
					require.ErrorAs(t, err, &e, "%s %d %d", name, n, code)
					k, err = b.Bind(c.op, []backend.Buffer{y, nil}, bufs)
					require.NoError(t, err, "the next one is well")
				}
				require.Equal(t, want, runCodes(t, b, k, y), "%s %d %d", name, n, code)
				closed(t, b)
			}
		}
	}
}

func reshaped(x *tensor.Tensor, shape ...int) *tensor.Tensor {
	y := tensor.New(tensor.Of(x.DType(), shape...))
	copy(y.Bytes(), x.Bytes())
	return y
}

func transposed(x *tensor.Tensor) *tensor.Tensor {
	s := x.Shape()
	y := tensor.New(tensor.Of(x.DType(), s[1], s[0]))
	for r := range s[0] {
		for c := range s[1] {
			y.Bytes()[c*s[0]+r] = x.Bytes()[r*s[1]+c]
		}
	}
	return y
}
