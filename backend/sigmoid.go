package backend

// Sigmoid is y = 1 / (1 + exp(-x)), elementwise.
type Sigmoid struct{}

// OpName returns "sigmoid".
func (Sigmoid) OpName() string { return "sigmoid" }

// SigmoidGrad is dx = dy * y * (1 - y). Inputs: dy, y.
type SigmoidGrad struct{}

// OpName returns "sigmoid_grad".
func (SigmoidGrad) OpName() string { return "sigmoid_grad" }
