package backend

import "github.com/goqat/goqat/quant"

// DynamicQuantizeRows quantizes each row of a tensor to int8 by its own
// range, as activations per token:
//
//	scale = that of [-m, m] by the rule, m the row's largest |x|: m/127 with quant.ONNX
//	code = round(x/scale) by the rule, in [-127, 127]
//
// Nothing clips, so there is no mask, and the gradient is that of the codes.
// A row of zeros has scale 1. Input: x float32 or bfloat16 [..., k]. Outputs:
// codes int8 as x, scale float32 [..., 1]. A NaN in x is [ErrNaN], an infinity
// quant.ErrRange.
type DynamicQuantizeRows struct {
	Rule quant.Rule
}

// OpName returns "dynamic_quantize_rows".
func (DynamicQuantizeRows) OpName() string { return "dynamic_quantize_rows" }

// Scheme returns the scheme of a row: symmetric, narrow int8.
func (DynamicQuantizeRows) Scheme() quant.Scheme {
	return quant.Scheme{Bits: 8, Signed: true, Symmetric: true, Narrow: true}
}
