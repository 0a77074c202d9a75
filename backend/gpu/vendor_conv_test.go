//go:build cuda

package gpu

import (
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/backend/backendtest"
	"github.com/goqat/goqat/backend/cpu"
	"github.com/goqat/goqat/backend/gpu/internal/choices"
	"github.com/goqat/goqat/cuda/cudnn"
	"github.com/goqat/goqat/internal/cudasim"
	"github.com/goqat/goqat/tensor"
)

// convolutions is the number of the library's convolutions so far.
func convolutions() int { return cudasim.Calls("cudnnConvolutionForward") }

// convCase is a padded convolution with awkward channels.
func convCase(d tensor.DType, c, o int) vendorCase {
	r := rand.New(rand.NewPCG(uint64(c), uint64(o)))
	return vendorCase{
		op: backend.ConvDequant{Conv: backend.Conv{Window: backend.Window{Pad: [4]int{1, 1, 1, 1}, Stride: [2]int{2, 1}}}},
		in: []*tensor.Tensor{extremes(r, d, 2, 7, 6, c), tensor.FromF32([]float32{0.02}, 1), tensor.FromI32([]int32{5}, 1),
			extremes(r, tensor.I8, o, 3, 3, c), tensor.FromF32([]float32{0.5}, 1), nil},
		out: tensor.Of(tensor.F32, 2, 4, 6, o),
	}
}

// TestVendorConvConformance: convolutions of codes have the CPU's bits when they
// are cuDNN's.
func TestVendorConvConformance(t *testing.T) {
	withVendor(t)
	t.Setenv(vendorEnv, vendorDNN)
	b := open(t)
	for _, name := range []string{"conv_integer", "conv_dequant", "qlinear_conv"} {
		before := convolutions()
		backendtest.RunSupportedOf(t, b, name)
		require.Greater(t, convolutions(), before, "%s: the library computed none", name)
	}
	for _, d := range []tensor.DType{tensor.I8, tensor.U8} {
		for _, s := range [][2]int{{1, 1}, {3, 5}, {4, 8}, {7, 12}, {16, 16}, {113, 4}} {
			c := convCase(d, s[0], s[1])
			before := convolutions()
			require.Equal(t, c.run(t, cpu.New()), c.run(t, b), "%v, %v", d, s)
			require.Greater(t, convolutions(), before)
		}
	}
	// Sums that a float32 may not hold are not the library's.
	c := convCase(tensor.I8, 114, 4)
	before := convolutions()
	require.Equal(t, c.run(t, cpu.New()), c.run(t, b))
	require.Equal(t, before, convolutions())
}

// TestVendorConvIsChosenByMeasurement: as products.
func TestVendorConvIsChosenByMeasurement(t *testing.T) {
	c := convCase(tensor.I8, 16, 16)
	want := c.run(t, cpu.New())
	path := withVendor(t)
	b := open(t)
	cudasim.VirtualClock()
	cudasim.SetCost("conv_dequant_64_i8", time.Second)
	require.Equal(t, want, c.run(t, b))
	require.GreaterOrEqual(t, convolutions(), 5, "every algorithm was tried")
	es, err := choices.Read(path)
	require.NoError(t, err)
	require.Len(t, es, 1)
	require.Equal(t, choices.Choice{Library: vendorDNN, Algorithm: "07"}, es[0].Choice)
	require.Equal(t, "cudnn 9.1.0", es[0].Libraries)
	require.Len(t, es[0].Wrong, 1)
	require.Contains(t, strings.Join(b.Describe(), "\n"), "cuDNN 9.1.0 (")
	closed(t, b)
	b = open(t)
	require.Equal(t, want, c.run(t, b))
	require.Equal(t, 2, convolutions(), "once to load the code, once to compute")
	closed(t, b)

	t.Setenv(cudnn.Env, "/no/such/library.so")
	b = open(t)
	require.Equal(t, want, c.run(t, b))
	require.Zero(t, convolutions())
	require.Contains(t, strings.Join(b.Describe(), "\n"), "cudnn: no cuDNN: /no/such/library.so")
}
