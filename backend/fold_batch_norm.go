package backend

import "github.com/goqat/goqat/quant"

// MaxFoldedBias bounds the int32 bias of a layer, so that the sums have half of
// the accumulator; ConstantBias is that of a channel which gamma made constant.
const (
	MaxFoldedBias = 1<<30 - 1<<10 // the room below 2^30 is for rounding the scale
	ConstantBias  = 1 << 29
)

// FoldBatchNorm moves a batch normalization with fixed statistics into the
// weight scales and the int32 bias of the layer before it. Codes of symmetric
// weights commute with the fold, so the trained codes stay as they are:
//
//	A   = gamma / sqrt(variance + Eps)       (1 without batch normalization)
//	cw' = cw * sign(A)
//	sw' = sw * |A|
//	b'  = beta + (bias - mean) * A           (bias without batch normalization)
//	bias' = Rule.QuantizeBias(b', sx, sw')
//
// in float64, every step rounded, the results rounded once. Where |A| is so
// small that |b'| >= sx * sw' * [MaxFoldedBias], or sw' is below the normal
// float32, the channel is constant: its codes become 0 and
//
//	sw' = max(2^-126, |b'| / (sx * ConstantBias))
//
// A code of -128 has no negative and becomes 127, so weights are expected in
// the narrow range.
//
// Inputs: cw int8 [o, ...] with zero point 0, sw float32 [1 or o], sx float32
// [1], bias?, gamma?, beta?, mean?, variance?, all float32 [o]; the last four
// come together. Outputs: cw' int8 [o, ...], sw' float32 [o], bias' int32 [o].
// A NaN or an infinity is an error ([ErrNaN], quant.ErrRange).
type FoldBatchNorm struct {
	Rule quant.Rule
	Eps  float32
}

// OpName returns "fold_batch_norm".
func (FoldBatchNorm) OpName() string { return "fold_batch_norm" }

// FoldBatchNormGrad is the gradient of [FoldBatchNorm] in terms of the real
// values that its codes stand for, w = sw*cw and w' = sw'*cw':
//
//	dw     = dw' * A
//	dbias  = db' * A
//	dgamma = (sum(dw' * w) + db' * (bias - mean)) / sqrt(variance + Eps)
//	dbeta  = db'
//
// Inputs: dw' float32 [o, ...]?, db' float32 [o]?, cw, sw, bias?, gamma, mean,
// variance. An absent gradient counts as 0. Outputs: dw, dbias, dgamma, dbeta.
type FoldBatchNormGrad struct {
	Eps float32
}

// OpName returns "fold_batch_norm_grad".
func (FoldBatchNormGrad) OpName() string { return "fold_batch_norm_grad" }
