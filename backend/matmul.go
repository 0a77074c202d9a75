package backend

// MatMul is the matrix product of the last two dimensions, the leading ones
// broadcast as ONNX MatMul and numpy.matmul do: a [..., m, k] times
// b [..., k, n] is [..., m, n]. TransA and TransB say that the operand is
// stored transposed, [..., k, m] or [..., n, k]. An operand of rank 1 is a
// row (a) or a column (b), its dimension is missing in the result, and it
// cannot be transposed.
type MatMul struct {
	TransA, TransB bool
}

// OpName returns "matmul".
func (MatMul) OpName() string { return "matmul" }
