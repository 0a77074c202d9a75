package backend

// Mul is y = a * b, elementwise, with the broadcast of [tensor.Broadcast].
// Inputs: a, b of one type, float or int32 or int64. Output: y.
type Mul struct{}

// OpName returns "mul".
func (Mul) OpName() string { return "mul" }
