package backend

import "github.com/goqat/goqat/quant"

// FakeQuant rounds to the grid of a quantizer and back,
//
//	y = Scale * (clamp(round(x/Scale) + Zero) - Zero)
//
// Inputs: x float32 or bfloat16, scale float32 [1 or channels], zero int32
// (same shape). A bfloat16 x is widened first, and y rounded once at the end.
// Outputs: y as x, and the bit mask of the elements inside the code range, tested
// on the unclamped integer, inclusive at both ends. The gradient is the
// straight-through estimator dx = dy * mask; with Learn also that of the
// scale by LSQ (Esser et al., 2020, eq. 3; see LSQGrad).
type FakeQuant struct {
	Rule   quant.Rule
	Scheme quant.Scheme
	Learn  bool
}

// OpName returns "fake_quant".
func (FakeQuant) OpName() string { return "fake_quant" }

// STEGrad is dx = dy where the mask bit is set, else 0. Inputs: dy float32 or
// bfloat16, mask.
type STEGrad struct{}

// OpName returns "ste_grad".
func (STEGrad) OpName() string { return "ste_grad" }

// LSQGrad is the gradient of a quantizer with a learned scale. Inputs: dy and
// x, each float32 or bfloat16, scale, zero. Outputs: dx, of dy's type, by the
// straight-through estimator, and dscale
//
//	sum(dy * (round(x/s) - x/s))  inside the range,
//	sum(dy * (lo - zero)) or sum(dy * (hi - zero))  outside,
//
// times 1/sqrt(elements a scale * hi).
type LSQGrad struct {
	Rule   quant.Rule
	Scheme quant.Scheme
}

// OpName returns "lsq_grad".
func (LSQGrad) OpName() string { return "lsq_grad" }

// Overwrites says that the first output may have the storage of the first
// input.
func (STEGrad) Overwrites(out int) int { return firstOverFirst(out) }

// Overwrites says that the first output may have the storage of the first
// input.
func (LSQGrad) Overwrites(out int) int { return firstOverFirst(out) }

// Rooted says that the gradient of the scale has the factor
// 1/sqrt(elements of x a scale).
func (LSQGrad) Rooted(out int) int {
	if out == 1 {
		return 1
	}
	return -1
}
