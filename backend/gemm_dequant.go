package backend

// GemmDequant is a linear layer on codes with a real result, as [ConvDequant]:
//
//	y = float32(sum((cx - zx) * cw)) * (sx * sw[n]) + bias[n]
//
// Inputs: cx int8 or uint8 [..., k], sx float32 [1], zx int32 [1], cw int8
// [n, k] with zero point 0, sw float32 [1 or n], bias float32 [n]?. Output: y
// float32 [..., n].
type GemmDequant struct {
	Gemm
}

// OpName returns "gemm_dequant".
func (GemmDequant) OpName() string { return "gemm_dequant" }
