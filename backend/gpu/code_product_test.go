//go:build cuda

package gpu

import (
	"context"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/backend/backendtest"
	"github.com/goqat/goqat/backend/cpu"
	"github.com/goqat/goqat/internal/cudasim"
	"github.com/goqat/goqat/tensor"
)

// TestLargeTiles: products that are large enough for the tiles of 128 x 128
// have the CPU's sums, on tensor cores of both generations, and each code and
// each sum is moved once from and to memory.
func TestLargeTiles(t *testing.T) {
	needSim(t)
	const m, n, k = 513, 125, 144
	r := rand.New(rand.NewPCG(1, 2))
	x, w := backendtest.Codes(r, tensor.U8, 0, 255, m, k), backendtest.Codes(r, tensor.I8, -128, 127, n, k)
	op := backend.MatMulInteger{MatMul: backend.MatMul{TransB: true}}
	in := []*tensor.Tensor{x, w, tensor.FromI32([]int32{131}, 1), backendtest.Zeros(r, tensor.I8, n)}
	run := func(t *testing.T, b backend.Backend) *tensor.Tensor {
		ctx := context.Background()
		var bufs []backend.Buffer
		for _, x := range in {
			buf, err := b.Alloc(x.Spec())
			require.NoError(t, err)
			require.NoError(t, b.Write(ctx, buf, x.Bytes()))
			bufs = append(bufs, buf)
		}
		y := tensor.New(tensor.Of(tensor.I32, m, n))
		out, err := b.Alloc(y.Spec())
		require.NoError(t, err)
		kernel, err := b.Bind(op, []backend.Buffer{out}, bufs)
		require.NoError(t, err)
		require.NoError(t, kernel.Run(ctx))
		require.NoError(t, b.Sync(ctx))
		require.NoError(t, b.Read(ctx, y.Bytes(), out))
		return y
	}
	want := run(t, cpu.New())
	for _, capability := range []string{"75", "80"} {
		t.Run(capability, func(t *testing.T) {
			t.Setenv("GOQAT_SIM_CC", capability)
			t.Setenv("GOQAT_GPU_INT8", "int8")
			b := open(t)
			cudasim.ClearKernels()
			require.Equal(t, want.I32(), run(t, b).I32())
			c, ok := cudasim.KernelCount("matmul_integer_128_u8")
			require.True(t, ok, "the large tiles did not run")
			// Codes, columns of 16 bytes and strides in; sums out.
			require.LessOrEqual(t, 32*c.ReadSectors, (m+n)*k+16*n+128)
			require.LessOrEqual(t, 32*c.WrittenSectors, 4*m*n+32)
			t.Logf("%d bytes read of %d, %d written of %d", 32*c.ReadSectors, (m+n)*k, 32*c.WrittenSectors, 4*m*n)
		})
	}
}
