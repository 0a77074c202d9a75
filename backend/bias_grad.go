package backend

// BiasGrad is the gradient of a bias added along the last dimension: the
// column sums of dy [..., n]. Output: [n].
type BiasGrad struct{}

// OpName returns "bias_grad".
func (BiasGrad) OpName() string { return "bias_grad" }
