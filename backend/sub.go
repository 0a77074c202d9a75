package backend

// Sub is y = a - b with the broadcast of [tensor.Broadcast]. Inputs: a, b of
// one type, float or int32 or int64. Output: y.
type Sub struct{}

// OpName returns "sub".
func (Sub) OpName() string { return "sub" }
