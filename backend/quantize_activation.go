package backend

import "github.com/goqat/goqat/quant"

// QuantizeActivation is batch normalization, activation and quantizer in one:
//
//	v = x * affine[0] + affine[1], the product rounded; v = x without affine
//	codes = quantize(clamp(v, Lo, Hi)) by the rule, mask = inside and Lo < v < Hi
//
// where inside is the mask of [QuantizeLinear]. Inputs: x, scale [1], zero
// [1], and, all or none, the affine of [BatchNormAffine] [4, channels], gamma
// and beta [channels]. Outputs: codes int8 or uint8, the bit mask, and without
// an affine the range [2] of [ClampRange]: what a delayed scale is made of
// then needs no pass of its own. A NaN is [ErrNaN]. Its gradient passes the clamp and the quantizer where the mask is
// set, and then the normalization whose statistics are those of x.
type QuantizeActivation struct {
	Rule   quant.Rule
	Scheme quant.Scheme
	Lo, Hi float32
	// Learn asks for the gradient of the scale, by LSQ.
	Learn bool
}

// OpName returns "quantize_activation".
func (QuantizeActivation) OpName() string { return "quantize_activation" }

// QuantizeActivationGrad is the gradient of [QuantizeActivation]: d = dy where
// the mask is set, else 0, is the gradient of v, and
//
//	dbeta = sum(d), dgamma = sum(d * (x-mean)) * invstd
//	dx = gamma * invstd * (d - dbeta/rows - (x-mean) * invstd * dgamma/rows)
//
// or dx = d without affine. With Learn, dscale is that of [LSQGrad] for the
// clamped v, else zero. Inputs: dy, mask, x, scale, zero, and affine and gamma
// together or not at all. Outputs: dx, dscale, and with an affine dgamma and
// dbeta.
type QuantizeActivationGrad struct {
	Rule   quant.Rule
	Scheme quant.Scheme
	Lo, Hi float32
	Learn  bool
}

// OpName returns "quantize_activation_grad".
func (QuantizeActivationGrad) OpName() string { return "quantize_activation_grad" }

// Overwrites says that dx may have the storage of dy.
func (QuantizeActivationGrad) Overwrites(out int) int { return firstOverFirst(out) }

// Rooted says that the gradient of the scale has the factor
// 1/sqrt(elements of x).
func (q QuantizeActivationGrad) Rooted(out int) int {
	if q.Learn && out == 1 {
		return 2
	}
	return -1
}
