package backend

// LeakyRelu is y = x where x > 0, else Alpha * x, elementwise.
type LeakyRelu struct {
	Alpha float32
}

// OpName returns "leaky_relu".
func (LeakyRelu) OpName() string { return "leaky_relu" }

// LeakyReluGrad is dx = dy where x > 0, else Alpha * dy. Inputs: dy, x.
type LeakyReluGrad struct {
	Alpha float32
}

// OpName returns "leaky_relu_grad".
func (LeakyReluGrad) OpName() string { return "leaky_relu_grad" }
