package backend

import "github.com/goqat/goqat/tensor"

// GemmDequant is a linear layer on codes with a real result, as [ConvDequant]:
//
//	y = float32(sum((cx - zx) * cw)) * (sx * sw[n]) + bias[n]
//
// Inputs: cx int8 or uint8 [..., k], sx float32 [1], zx int32 [1], cw int8
// [n, k] with zero point 0, sw float32 [1 or n], bias float32 [n]?. Outputs: y
// float32 [..., n], and what Collect says.
type GemmDequant struct {
	Gemm
	Collect Collect
	// Result is the type of y: float32 when it is zero, or bfloat16, to which
	// the sum with the bias is rounded.
	Result tensor.DType
}

// Collecting returns o with one more output.
func (o GemmDequant) Collecting(c Collect) Op { o.Collect = c; return o }

// OpName returns "gemm_dequant".
func (GemmDequant) OpName() string { return "gemm_dequant" }
