package backend

import "github.com/goqat/goqat/quant"

// QLinearConv is a convolution from codes to codes with the epilogue of the
// rule, ONNX's QLinearConv in channels last layout:
//
//	acc = sum((cx - zx) * (cw - zw[o])) + bias[o]
//	y   = Rule.Requantize(acc, sx*sw[o]/sy, zy), clamped to [lo', hi']
//
// where lo' and hi' are the code range of Scheme, narrowed to the codes of the
// real bounds Lo and Hi of a folded activation (infinite without one).
// Inputs: cx int8 or uint8 [n, h, w, c] or [n, l, c], sx float32 [1], zx int32
// [1], cw int8 or uint8 [o, kh, kw, c/groups] or [o, k, c/groups], sw float32
// [1 or o], zw int32 [1 or o]?, sy float32 [1], zy int32 [1], bias int32 [o]?
// on the grid sx*sw[o] with |bias| < 2^30. Outputs: codes, and the bit mask of
// the elements whose unclamped code lies in [lo', hi'].
type QLinearConv struct {
	Conv
	Rule   quant.Rule
	Scheme quant.Scheme
	Lo, Hi float32
}

// OpName returns "qlinear_conv".
func (QLinearConv) OpName() string { return "qlinear_conv" }
