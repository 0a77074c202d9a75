package backend

// Gelu is the Gaussian error linear unit (Hendrycks and Gimpel, 2016),
// elementwise,
//
//	y = x/2 * (1 + erf(x/sqrt(2)))
//	y = x/2 * (1 + tanh(sqrt(2/pi) * (x + 0.044715 x^3)))  with Tanh
type Gelu struct {
	Tanh bool
}

// OpName returns "gelu".
func (Gelu) OpName() string { return "gelu" }

// GeluGrad is the gradient of [Gelu]. Inputs: dy, x.
type GeluGrad struct {
	Tanh bool
}

// OpName returns "gelu_grad".
func (GeluGrad) OpName() string { return "gelu_grad" }
