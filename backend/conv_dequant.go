package backend

import "github.com/goqat/goqat/tensor"

// ConvDequant is a convolution of codes with a real result: a layer in
// training whose output range is still being observed.
//
//	y = float32(sum((cx - zx) * cw)) * (sx * sw[o]) + bias[o]
//
// every product and sum rounded to float32, so that all backends give the
// same bits. Inputs: cx int8 or uint8 [n, h, w, c] or [n, l, c], sx float32
// [1], zx int32 [1], cw int8 [o, kh, kw, c/groups] or [o, k, c/groups] with
// zero point 0, sw float32 [1 or o], bias float32 [o]?. Outputs: y float32,
// and what Collect says.
type ConvDequant struct {
	Conv
	Collect Collect
	// Result is the type of y: float32 when it is zero, or bfloat16, to which
	// the sum with the bias is rounded.
	Result tensor.DType
}

// Collecting returns o with one more output.
func (o ConvDequant) Collecting(c Collect) Op { o.Collect = c; return o }

// OpName returns "conv_dequant".
func (ConvDequant) OpName() string { return "conv_dequant" }
