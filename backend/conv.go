package backend

import "github.com/goqat/goqat/tensor"

// Conv is a convolution (cross-correlation) over images or sequences,
//
//	y[n, i, j, o] = bias[o] + sum over a, b, c of
//	    x[n, i*stride + a*dilation - top, j*stride + b*dilation - left, first(o)+c] * w[o, a, b, c]
//
// with zeros outside x, where first(o) is the first input channel of the
// group of o. Inputs: x [batch, height, width, channels] or
// [batch, length, channels]; w [out, kh, kw, channels/groups] or
// [out, k, channels/groups]; bias [out], optional. Output: y
// [batch, out height, out width, out]. Groups 0 means 1; as many groups as
// channels is a depthwise convolution.
type Conv struct {
	Window
	Groups int
}

// OpName returns "conv".
func (Conv) OpName() string { return "conv" }

// ConvGradInput is the gradient of [Conv] for its input. Inputs: dy, w, and
// with integer codes for w also their scale float32 [1 or out], the zero
// point being 0: w stands for scale * w. Output: dx of shape Input. Precision
// is for codes.
type ConvGradInput struct {
	Conv
	Input     tensor.Dims
	Precision GradPrecision
}

// OpName returns "conv_grad_input".
func (ConvGradInput) OpName() string { return "conv_grad_input" }

// ConvGradWeight is the gradient of [Conv] for its weight. Inputs: dy, x, and
// with integer codes for x also their scale float32 [1] and zero point int32
// [1]: x stands for scale * (x - zero). Output: dw of shape Weight. Precision
// is for codes.
type ConvGradWeight struct {
	Conv
	Weight    tensor.Dims
	Precision GradPrecision
}

// OpName returns "conv_grad_weight".
func (ConvGradWeight) OpName() string { return "conv_grad_weight" }
