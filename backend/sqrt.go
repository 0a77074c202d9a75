package backend

// Sqrt is the square root, elementwise: NaN below 0.
type Sqrt struct{}

// OpName returns "sqrt".
func (Sqrt) OpName() string { return "sqrt" }
