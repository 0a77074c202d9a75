//go:build cuda

package gpu

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

// ran reports how often a kernel ran since the counters were cleared.
func ran(name string) int {
	c, _ := cudasim.KernelCount(name)
	return c.Launches
}

var (
	anyRule = []quant.Rule{
		{}, quant.Rule{Requant: quant.RequantQ31Double}, quant.Rule{Requant: quant.RequantQ31Single},
		quant.Rule{Rounding: quant.HalfAway},
	}
	codeTypes = []tensor.DType{tensor.I8, tensor.U8}
)

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
						require.Equal(t, 1, ran("matmul_sums_128")+ran("matmul_sums_128_i8")+ran("matmul_sums_128_u8")+ran("matmul_sums_256")+ran("matmul_sums_256_i8")+ran("matmul_sums_256_u8"))
					})
				}
			}
		}
	}
}
