package backend

// Adam is PyTorch's Adam (Kingma and Ba, 2015) and, with Decoupled, AdamW
// (Loshchilov and Hutter, 2019),
//
//	grad += WeightDecay * param            without Decoupled
//	param *= 1 - lr * WeightDecay          with Decoupled
//	m += (1-Beta1) * (grad - m)
//	v = Beta2 * v + (1-Beta2) * grad^2
//	param -= lr / (1-Beta1^step) * m / (sqrt(v) / sqrt(1-Beta2^step) + Eps)
//
// Inputs: param, grad, m, v, lr float32 [1], step int64 [1], which counts from
// 1. Outputs, in place: param, m, v. The factors are computed in float64 from
// the shortest decimals of the attributes, as PyTorch does.
type Adam struct {
	Beta1, Beta2, Eps, WeightDecay float32
	Decoupled                      bool
}

// OpName returns "adam".
func (Adam) OpName() string { return "adam" }

// Updates maps the parameter and both moments to their inputs.
func (Adam) Updates(out int) int { return [4]int{0, 2, 3, -1}[out&3] }
