package backend

// KLDivergence is the distillation loss of Hinton et al. (2015),
//
//	loss = T^2 * mean over rows of sum(q * (log q - log p))
//	p = softmax(student / T), q = softmax(teacher / T), T = Temperature
//
// Inputs: student and teacher logits [..., classes]. Outputs: loss [], and
// p - q, which the gradient of the student is a multiple of. The teacher gets
// no gradient.
type KLDivergence struct {
	Temperature float32
}

// OpName returns "kl_divergence".
func (KLDivergence) OpName() string { return "kl_divergence" }
