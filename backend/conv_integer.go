package backend

// ConvInteger is a convolution of codes with an int32 result, ONNX's
// ConvInteger in channels last layout:
//
//	y = sum((x - zx) * (w - zw[o]))
//
// Inputs: x int8 or uint8 [n, h, w, c] or [n, l, c], w int8 or uint8
// [o, kh, kw, c/groups] or [o, k, c/groups], zx int32 [1]?, zw int32
// [1 or o]?. A zero point must be a code of its tensor's type; an absent one
// is 0. Padding counts as zx. Output: y int32.
type ConvInteger struct {
	Conv
}

// OpName returns "conv_integer".
func (ConvInteger) OpName() string { return "conv_integer" }
