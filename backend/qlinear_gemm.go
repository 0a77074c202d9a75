package backend

import "github.com/goqat/goqat/quant"

// QLinearGemm is a linear layer from codes to codes with the epilogue of the
// rule, as [QLinearConv]. Inputs: cx int8 or uint8 [..., k], sx float32 [1],
// zx int32 [1], cw int8 or uint8 [n, k], sw float32 [1 or n], zw int32
// [1 or n]?, sy float32 [1], zy int32 [1], bias int32 [n]?. Outputs: codes
// [..., n] and mask.
type QLinearGemm struct {
	Gemm
	Rule   quant.Rule
	Scheme quant.Scheme
	Lo, Hi float32
}

// OpName returns "qlinear_gemm".
func (QLinearGemm) OpName() string { return "qlinear_gemm" }
