package backend

// Div is y = a / b with the broadcast of [tensor.Broadcast]. Inputs: a, b,
// both float of one type. Output: y. Division by 0 gives what IEEE 754 says.
type Div struct{}

// OpName returns "div".
func (Div) OpName() string { return "div" }
