package backend

// MatMulInteger is a product of matrices of codes with an int32 result, ONNX's
// MatMulInteger:
//
//	y = sum((a - za) * (b - zb[n]))
//
// Inputs: a int8 or uint8 [..., m, k], b int8 or uint8 [..., k, n], za int32
// [1]?, zb int32 [1 or n]?; matrices are transposed and leading dimensions
// broadcast as [MatMul] says. A zero point must be a code of its tensor's
// type; an absent one is 0. Output: y int32 [..., m, n].
type MatMulInteger struct {
	MatMul
}

// OpName returns "matmul_integer".
func (MatMulInteger) OpName() string { return "matmul_integer" }
