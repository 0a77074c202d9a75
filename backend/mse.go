package backend

// MSE is the mean squared error, mean((x - target)^2) over all elements.
// Inputs: x, target of one shape. Output: loss [].
type MSE struct{}

// OpName returns "mse".
func (MSE) OpName() string { return "mse" }

// MSEGrad is dx = dloss * 2/n * (x - target). Inputs: dloss, x, target.
type MSEGrad struct{}

// OpName returns "mse_grad".
func (MSEGrad) OpName() string { return "mse_grad" }
