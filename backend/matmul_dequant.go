package backend

import "github.com/goqat/goqat/tensor"

// MatMulDequant is [MatMulInteger] with a real result,
//
//	y = float32(sum((ca - za) * (cb - zb[n]))) * (sa * sb[n])
//
// every product rounded to float32. Inputs: ca int8 or uint8 [..., m, k], sa
// float32 [1], za int32 [1], cb int8 or uint8 [..., k, n], sb float32
// [1 or n], zb int32 (same shape). Output: y float32 [..., m, n].
type MatMulDequant struct {
	MatMul
	// Result is the type of y: float32 when it is zero, or bfloat16, to which
	// the product is rounded.
	Result tensor.DType
}

// OpName returns "matmul_dequant".
func (MatMulDequant) OpName() string { return "matmul_dequant" }
