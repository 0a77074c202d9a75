package backend

// LayerNorm normalizes along the last dimension,
//
//	y = gamma * (x - mean) / sqrt(var + Eps) + beta
//
// with the biased variance. Inputs: x [..., channels], gamma and beta
// [channels], each optional. Outputs: y, and mean and 1/sqrt(var + Eps) of
// each row, of the shape of x without its last dimension, for the gradient.
type LayerNorm struct {
	Eps float32
}

// OpName returns "layer_norm".
func (LayerNorm) OpName() string { return "layer_norm" }

// LayerNormGrad is the gradient of [LayerNorm]. Inputs: dy, x, mean, inverse
// standard deviation, gamma (optional). Outputs: dx, dgamma, dbeta.
type LayerNormGrad struct{}

// OpName returns "layer_norm_grad".
func (LayerNormGrad) OpName() string { return "layer_norm_grad" }
