//go:build cuda

package gpu

import (
	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/cuda"
	"github.com/goqat/goqat/tensor"
)

// The products of the backward pass with codes as one operand, on tensor cores:
// csrc/conv_grad.cu. Codes less their zero point are exact in bfloat16, so only
// the gradient, times the scales, is rounded, as the CPU rounds it.

// gradModule has the kernels, for devices whose tensor cores take bfloat16;
// elsewhere these products are float32.
const gradModule = "conv_grad"

// gradSuffix returns which kernels compute a product with gradients of
// precision p and the second input, false for those of float32.
func (k *build) gradSuffix(p backend.GradPrecision, in []*Buffer) (string, bool) {
	if !in[1].spec.DType.Code() || !k.code.has(gradModule) {
		return "", false
	}
	switch p {
	case backend.GradBF16:
		return "_bf16", true
	case backend.GradBF16x2:
		return "_bf16x2", true
	}
	return "", false
}

// codedOperand is struct coded of csrc/conv_grad.cu.
type codedOperand struct {
	P, Scale, Zero   uint64
	Signed, Channels int32
}

func newCodedOperand(in []*Buffer, i int) codedOperand {
	r := newRealOperand(in, i)
	return codedOperand{P: r.P, Scale: r.Scale, Zero: r.Zero, Signed: flagOf(in[i].spec.DType == tensor.I8), Channels: r.Channels}
}

// gradTiles is the launch of m x n results, z times, and the side of its
// tiles; nothing when there are none.
func (k *build) gradTiles(m, n, z int) (cuda.Launch, string) {
	if m == 0 || n == 0 || z == 0 {
		return cuda.Launch{}, ""
	}
	side, name := k.side(m, n, z), "_64"
	if side == 128 {
		name = "_128"
	}
	return cuda.Launch{Grid: cuda.Dim{X: (m + side - 1) / side, Y: (n + side - 1) / side, Z: z}, Block: cuda.Dim{X: 2 * side}}, name
}

// bindCodeGradInput launches dx of dy and the weight, in[1:], which is codes.
func bindCodeGradInput(k *build, g geometry, suffix string, out, in []*Buffer) error {
	g = g.flat()
	// Pixels a stride apart are a product of their own: they have the same taps.
	high, wide := min(int(g.SH), int(g.H)), min(int(g.SW), int(g.W))
	rows := 0
	if high > 0 && wide > 0 {
		rows = int(g.N) * ((int(g.H) + high - 1) / high) * ((int(g.W) + wide - 1) / wide)
	}
	tiles, side := k.gradTiles(rows, int(g.CG), int(g.Groups)*high*wide)
	return k.launchFrom(gradModule, "conv_grad_input"+side+suffix, tiles, out[0], in[0], structure(newCodedOperand(in, 1)), structure(g))
}

// bindCodeGradWeight launches dw of dy and the input, in[1:], which is codes.
func bindCodeGradWeight(k *build, g geometry, suffix string, out, in []*Buffer) error {
	if out[0].numel() == 0 {
		return nil
	}
	g = g.flat()
	// By shape alone, as the order of a sum must not depend on the device.
	small := realTiles(int(g.OG), g.taps(), int(g.Groups)).Grid
	splits := splitParts(small.X*small.Y*small.Z, g.rows())
	tiles, side := k.gradTiles(int(g.OG), g.taps(), int(g.Groups)*splits)
	return splitSum(k, out[0], splits, func(parts cuda.Ptr) error {
		return k.launchFrom(gradModule, "conv_grad_weight"+side+suffix, tiles, parts, in[0], structure(newCodedOperand(in, 1)), structure(g), int32(splits))
	})
}

// flat returns the same convolution over a single line where one pixel makes
// one result, such as a linear layer.
func (g geometry) flat() geometry {
	if g.KH != 1 || g.KW != 1 || g.SH != 1 || g.SW != 1 || g.H != g.OH || g.W != g.OW || g.Top != 0 || g.Left != 0 {
		return g
	}
	g.W *= g.N * g.H
	g.OW *= g.N * g.OH
	g.N, g.H, g.OH = 1, 1, 1
	return g
}
