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
	"github.com/goqat/goqat/internal/cudasim"
	"github.com/goqat/goqat/tensor"
)

// runOp runs an operation with one result.
func runOp(t *testing.T, b backend.Backend, op backend.Op, out tensor.Spec, in ...*tensor.Tensor) *tensor.Tensor {
	ctx := context.Background()
	var bufs []backend.Buffer
	for _, x := range in {
		buf, err := b.Alloc(x.Spec())
		require.NoError(t, err)
		require.NoError(t, b.Write(ctx, buf, x.Bytes()))
		bufs = append(bufs, buf)
	}
	y := tensor.New(out)
	to, err := b.Alloc(out)
	require.NoError(t, err)
	k, err := b.Bind(op, []backend.Buffer{to}, bufs)
	require.NoError(t, err)
	require.NoError(t, k.Run(ctx))
	require.NoError(t, b.Sync(ctx))
	require.NoError(t, b.Read(ctx, y.Bytes(), to))
	return y
}

// bfloat rounds to bfloat16, half to even, subnormal numbers to zero.
func bfloat(v float32) float32 {
	if math.Abs(float64(v)) < 0x1p-126 {
		return float32(math.Copysign(0, float64(v)))
	}
	b := math.Float32bits(v)
	return math.Float32frombits((b + 0x7FFF + b>>16&1) &^ 0xFFFF)
}

// rounded is what a product takes for v times its scale.
func rounded(p backend.GradPrecision, v, scale float32) float32 {
	v = float32(v * scale)
	high := bfloat(v)
	if p == backend.GradBF16 {
		return high
	}
	return high + bfloat(v-high) // Exact.
}

// hostRounds reports whether the CPU has products of bfloat16.
func hostRounds() bool { return hostProducts() != "portable" }

// hostProducts returns the instruction set of the CPU's products of bfloat16.
func hostProducts() string {
	for _, k := range cpu.KernelISAs() {
		if k.Family == "bfloat16 product" {
			return k.ISA
		}
	}
	return "portable"
}

// TestGradRounding: gradients times scales are rounded to bfloat16 once, with
// the bits of the definition and of the CPU.
func TestGradRounding(t *testing.T) {
	needSim(t)
	t.Setenv("GOQAT_SIM_CC", "80")
	b := open(t)
	r := rand.New(rand.NewPCG(1, 2))
	v := []float32{0, float32(math.Copysign(0, -1)), 1, -1, 0x1p-126, 0x1p-127, -0x1p-149, 0x1.fffffep-127, 1.00390625, 1.01171875, 0x1.fep127, -0x1.fffffep127, 0x1.01p-126}
	for len(v) < 1500 {
		f := math.Float32frombits(r.Uint32())
		if len(v)%3 == 0 { // Halfway between two.
			f = math.Float32frombits(r.Uint32()&^0xFFFF | 0x8000)
		}
		if !math.IsNaN(float64(f)) && !math.IsInf(float64(f), 0) {
			v = append(v, f)
		}
	}
	for _, p := range []backend.GradPrecision{backend.GradBF16, backend.GradBF16x2} {
		for _, scale := range []float32{1, 0.37, -3, 0x1.8p60, 0x1.1p-70} {
			var dy []float32
			for _, f := range v {
				// Infinities make numbers of no value of the rest.
				if !math.IsInf(float64(bfloat(float32(f*scale))), 0) {
					dy = append(dy, f)
				}
			}
			n := len(dy)
			want := make([]float32, n)
			for i, f := range dy {
				want[i] = 0 + rounded(p, f, scale) // No negative zero from a sum.
			}
			name := fmt.Sprintf("%v, scale %g", p, scale)
			one := tensor.FromF32([]float32{scale}, 1)
			backends := []backend.Backend{b}
			if hostRounds() {
				backends = append(backends, cpu.New())
			}
			for _, d := range backends {
				got := runOp(t, d, backend.GemmGradInput{Precision: p}, tensor.Of(tensor.F32, n, 1), tensor.FromF32(dy, n, 1),
					tensor.FromI8([]int8{1}, 1, 1), one)
				require.Equal(t, want, got.F32(), "%s, input, %s", name, d.Name())
				got = runOp(t, d, backend.GemmGradWeight{Precision: p}, tensor.Of(tensor.F32, n, 1), tensor.FromF32(dy, 1, n),
					tensor.FromU8([]uint8{201}, 1, 1), one, tensor.FromI32([]int32{200}, 1))
				require.Equal(t, want, got.F32(), "%s, weight, %s", name, d.Name())
			}
		}
	}
}

// TestGradTiles: products for both sizes of tiles and sums in parts have the
// value of the rounded operands, the same bits in any order of blocks, and read
// codes as single bytes.
func TestGradTiles(t *testing.T) {
	needSim(t)
	t.Setenv("GOQAT_SIM_CC", "80")
	r := rand.New(rand.NewPCG(3, 4))
	for _, p := range []backend.GradPrecision{backend.GradBF16, backend.GradBF16x2} {
		suffix := "_" + p.String()
		t.Run("input"+suffix, func(t *testing.T) {
			const m, n, k = 520, 72, 128
			dy, w, s := backendtest.Normal(r, 1, m, n), backendtest.Codes(r, tensor.I8, -127, 127, n, k), backendtest.Normal(r, 1, n)
			want := make([]float64, m*k)
			for i := range want {
				for j := range n {
					want[i] += float64(rounded(p, dy.F32()[i/k*n+j], s.F32()[j])) * w.At(j*k+i%k)
				}
			}
			checkGradTiles(t, "conv_grad_input_128"+suffix, backend.GemmGradInput{Precision: p}, want, tensor.Of(tensor.F32, m, k), dy, w, s)
		})
		t.Run("weight"+suffix, func(t *testing.T) {
			const m, n, k = 1037, 128, 104
			dy, x := backendtest.Normal(r, 1, m, n), backendtest.Codes(r, tensor.U8, 0, 255, m, k)
			const scale, zero = 0.0123, 119
			want := make([]float64, n*k)
			for i := range want {
				for j := range m {
					want[i] += float64(rounded(p, dy.F32()[j*n+i/k], scale)) * (x.At(j*k+i%k) - zero)
				}
			}
			checkGradTiles(t, "conv_grad_weight_128"+suffix, backend.GemmGradWeight{Precision: p}, want, tensor.Of(tensor.F32, n, k), dy, x,
				tensor.FromF32([]float32{scale}, 1), tensor.FromI32([]int32{zero}, 1))
		})
	}
}

func checkGradTiles(t *testing.T, kernel string, op backend.Op, want []float64, out tensor.Spec, in ...*tensor.Tensor) {
	var first *tensor.Tensor
	for _, order := range []string{"ascending", "shuffled"} {
		t.Run(order, func(t *testing.T) {
			t.Setenv("GOQAT_SIM_ORDER", order)
			b := open(t)
			cudasim.ClearKernels()
			got := runOp(t, b, op, out, in...)
			if first == nil {
				first = got
			}
			require.Equal(t, first.F32(), got.F32())
			c, ok := cudasim.KernelCount(kernel)
			require.True(t, ok, "%s did not run", kernel)
			bytes := 128 // Sectors of a scale and a zero point.
			for _, x := range in {
				bytes += x.Spec().Bytes()
			}
			require.LessOrEqual(t, 32*c.ReadSectors, bytes)
			t.Logf("%d bytes read of operands of %d", 32*c.ReadSectors, bytes)
		})
	}
	var d, n float64
	for i, w := range want {
		e := first.At(i) - w
		d += e * e
		n += w * w
	}
	t.Logf("NMSE %.3g", d/n)
	require.LessOrEqual(t, d/n, backendtest.MaxNMSE)
}
