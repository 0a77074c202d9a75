package backend

// Add is y = a + b with the broadcast of [tensor.Broadcast]. Inputs: a, b of
// one type, float or int32 or int64. Output: y.
type Add struct{}

// OpName returns "add".
func (Add) OpName() string { return "add" }

// Overwrites says that the sum may have the storage of the first input, which
// is as large only when it is not broadcast.
func (Add) Overwrites(out int) int { return firstOverFirst(out) }
