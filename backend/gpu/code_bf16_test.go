//go:build cuda

package gpu

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/backend/backendtest"
	"github.com/goqat/goqat/backend/cpu"
	"github.com/goqat/goqat/internal/cudasim"
	"github.com/goqat/goqat/tensor"
)

// openBF16 opens a device whose products of codes run in bf16.
func openBF16(t *testing.T) *Backend {
	t.Setenv("GOQAT_GPU_INT8", "bf16")
	b := open(t)
	if !b.code.has(codeBF16Module) {
		t.Skip("the device has no tensor cores for bf16")
	}
	return b
}

// TestConformanceOfCodesAsBF16 runs the products of codes in bf16.
func TestConformanceOfCodesAsBF16(t *testing.T) {
	backendtest.RunSupportedOf(t, openBF16(t), "conv_dequant", "conv_integer", "gemm_dequant", "matmul_dequant", "matmul_integer", "qlinear_conv", "qlinear_gemm",
		"qlinear_matmul")
}

// TestCodesAsBF16AreExact: sums of the largest products, and of random ones,
// have the CPU's bits for lengths around those after which they go to int32.
func TestCodesAsBF16AreExact(t *testing.T) {
	b, host := openBF16(t), cpu.New()
	r := rand.New(rand.NewPCG(1, 2))
	const m, n = 5, 3
	for _, x := range []tensor.DType{tensor.I8, tensor.U8} {
		for _, w := range []tensor.DType{tensor.I8, tensor.U8} {
			lengths := []int{1, 15, 16, 17, 31, 32, 33, 500, 511, 512, 513, 514, 518, 519, 544, 1008, 1023, 1024, 1025, 1031, 1040, 1041, 1056, 2048, 2049, 5000}
			for _, k := range lengths {
				for _, fill := range []string{"extreme", "opposite", "random"} {
					name := fmt.Sprintf("%v by %v, %d, %s", x, w, k, fill)
					a, c := backendtest.Codes(r, x, lowest(x), lowest(x)+255, m, k), backendtest.Codes(r, w, lowest(w), lowest(w)+255, n, k)
					switch fill {
					case "extreme": // -128 by -128, 255 by -128 (or 0, which is made that).
						fillCodes(a, byte(lowest(x)))
						if x == tensor.U8 {
							fillCodes(a, 255)
						}
						fillCodes(c, byte(lowest(w)))
					case "opposite":
						fillCodes(a, byte(lowest(x)+255))
						fillCodes(c, byte(lowest(w)+255))
					}
					op := backend.MatMulInteger{MatMul: backend.MatMul{TransB: true}}
					out := tensor.Of(tensor.I32, m, n)
					want := runOp(t, host, op, out, a, c)
					require.Equal(t, want.I32(), runOp(t, b, op, out, a, c).I32(), name)
				}
			}
		}
	}
}

func lowest(d tensor.DType) int {
	if d == tensor.I8 {
		return -128
	}
	return 0
}

func fillCodes(x *tensor.Tensor, v byte) {
	for i := range x.Bytes() {
		x.Bytes()[i] = v
	}
}

// TestLargeTilesOfCodesAsBF16: tiles of 128 x 128 have the CPU's sums over more
// than one chunk, with zero points on both sides, and each code and each sum
// is moved once.
func TestLargeTilesOfCodesAsBF16(t *testing.T) {
	needSim(t)
	t.Setenv("GOQAT_SIM_CC", "80")
	b := openBF16(t)
	const m, n, k = 513, 125, 1200
	r := rand.New(rand.NewPCG(1, 2))
	in := []*tensor.Tensor{backendtest.Codes(r, tensor.U8, 0, 255, m, k), backendtest.Codes(r, tensor.I8, -128, 127, n, k), tensor.FromI32([]int32{131}, 1),
		backendtest.Zeros(r, tensor.I8, n)}
	op := backend.MatMulInteger{MatMul: backend.MatMul{TransB: true}}
	out := tensor.Of(tensor.I32, m, n)
	want := runOp(t, cpu.New(), op, out, in...)
	cudasim.ClearKernels()
	require.Equal(t, want.I32(), runOp(t, b, op, out, in...).I32())
	c, ok := cudasim.KernelCount("matmul_sums_128_u8")
	require.True(t, ok, "the large tiles did not run")
	require.LessOrEqual(t, 32*c.ReadSectors, (m+n)*k+16*n+128)
	require.LessOrEqual(t, 32*c.WrittenSectors, 4*m*n+32)
	t.Logf("%d bytes read of %d, %d written of %d", 32*c.ReadSectors, (m+n)*k, 32*c.WrittenSectors, 4*m*n)
}

// TestCodesAsBF16AreChosen by compute capability, unless the environment says
// otherwise.
func TestCodesAsBF16AreChosen(t *testing.T) {
	needSim(t)
	for _, c := range []struct {
		capability, chosen string
		want               bool
	}{{"75", "bf16", false}, {"80", "", false}, {"80", "bf16", true}, {"90", "", false}, {"100", "", false}, {"103", "", true}, {"103", "int8", false}} {
		t.Run(c.capability+c.chosen, func(t *testing.T) {
			t.Setenv("GOQAT_SIM_CC", c.capability)
			t.Setenv("GOQAT_GPU_INT8", c.chosen)
			b := open(t)
			cudasim.ClearKernels()
			runOp(t, b, backend.MatMulInteger{}, tensor.Of(tensor.I32, 1, 1), tensor.FromI8([]int8{1}, 1, 1), tensor.FromI8([]int8{1}, 1, 1))
			_, ok := cudasim.KernelCount("matmul_sums_64_i8")
			require.Equal(t, c.want, ok)
		})
	}
}
