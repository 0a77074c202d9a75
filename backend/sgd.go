package backend

// SGD is stochastic gradient descent by PyTorch's formula,
//
//	d = grad + WeightDecay * param
//	velocity = Momentum * velocity + d
//	d = velocity, or d + Momentum * velocity with Nesterov
//	param -= lr * d
//
// A velocity that starts at 0 gives PyTorch's first step. Inputs: param, grad,
// velocity (absent without momentum), lr float32 [1], and, to change it from
// step to step, the momentum float32 [1] instead of Momentum. Outputs, in
// place: param, velocity.
type SGD struct {
	Momentum, WeightDecay float32
	Nesterov              bool
}

// OpName returns "sgd".
func (SGD) OpName() string { return "sgd" }

// Updates maps the parameter and the velocity to their inputs.
func (SGD) Updates(out int) int { return [2]int{0, 2}[out&1] }
