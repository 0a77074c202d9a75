package backend

// Exp is y = e^x, elementwise.
type Exp struct{}

// OpName returns "exp".
func (Exp) OpName() string { return "exp" }
