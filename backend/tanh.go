package backend

// Tanh is the hyperbolic tangent, elementwise.
type Tanh struct{}

// OpName returns "tanh".
func (Tanh) OpName() string { return "tanh" }

// TanhGrad is dx = dy * (1 - y*y). Inputs: dy, y.
type TanhGrad struct{}

// OpName returns "tanh_grad".
func (TanhGrad) OpName() string { return "tanh_grad" }
