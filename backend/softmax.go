package backend

// Softmax normalizes along Axis, which counts from the end when negative,
//
//	y = exp(x - max) / sum(exp(x - max))
//
// and returns the logarithm of that with Log.
type Softmax struct {
	Axis int
	Log  bool
}

// OpName returns "softmax".
func (Softmax) OpName() string { return "softmax" }

// SoftmaxGrad is the gradient of [Softmax],
//
//	dx = y * (dy - sum(dy * y))
//	dx = dy - exp(y) * sum(dy)  with Log
//
// with sums along Axis. Inputs: dy, y.
type SoftmaxGrad struct {
	Axis int
	Log  bool
}

// OpName returns "softmax_grad".
func (SoftmaxGrad) OpName() string { return "softmax_grad" }
