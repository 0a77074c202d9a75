package backend

// GradNorm is the Euclidean norm of all its inputs together, sqrt(sum(x*x)).
// Inputs: any number of float tensors. Output: [1]. Squares are added in
// float64, in chunks of 4096 elements of one input whose sums are added in
// order.
type GradNorm struct{}

// OpName returns "grad_norm".
func (GradNorm) OpName() string { return "grad_norm" }
