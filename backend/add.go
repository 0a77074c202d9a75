package backend

// Add is y = a + b with the broadcast of [tensor.Broadcast]. Inputs: a, b of
// one type, float or int32 or int64. Output: y.
type Add struct{}

// OpName returns "add".
func (Add) OpName() string { return "add" }
