package backend

// Neg is y = -x, elementwise.
type Neg struct{}

// OpName returns "neg".
func (Neg) OpName() string { return "neg" }
