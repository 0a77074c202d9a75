package backend

import "github.com/goqat/goqat/quant"

// QLinearMatMul is a product of matrices from codes to codes, ONNX's
// QLinearMatMul:
//
//	acc = sum((ca - za) * (cb - zb[n]))
//	y   = Rule.Requantize(acc, sa*sb[n]/sy, zy), clamped to the range of Scheme
//
// Inputs: ca int8 or uint8 [..., m, k], sa float32 [1], za int32 [1], cb int8
// or uint8 [..., k, n], sb float32 [1 or n], zb int32 (same shape), sy float32
// [1], zy int32 [1]. Outputs: codes [..., m, n] and the bit mask of the
// elements whose unclamped code lies in the range.
type QLinearMatMul struct {
	MatMul
	Rule   quant.Rule
	Scheme quant.Scheme
}

// OpName returns "qlinear_matmul".
func (QLinearMatMul) OpName() string { return "qlinear_matmul" }
