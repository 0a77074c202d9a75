package backend

// BatchNorm normalizes over all but the last dimension,
//
//	y = gamma * (x - mean) / sqrt(var + Eps) + beta
//
// Inputs: x [..., channels], gamma, beta, running mean, running variance, all
// [channels]. In training a program runs [BatchNormTrain], in evaluation and
// with frozen statistics [BatchNormEval]. Output: y.
type BatchNorm struct {
	Eps, Momentum float32
}

// OpName returns "batch_norm".
func (BatchNorm) OpName() string { return "batch_norm" }

// BatchNormTrain normalizes by the statistics of the batch and moves the
// running ones,
//
//	running += Momentum * (batch - running)
//
// with the unbiased batch variance, as PyTorch. Inputs as [BatchNorm].
// Outputs: y, batch mean, 1/sqrt(batch var + Eps), running mean and variance
// (in place).
type BatchNormTrain struct {
	Eps, Momentum float32
}

// OpName returns "batch_norm_train".
func (BatchNormTrain) OpName() string { return "batch_norm_train" }

// Updates maps outputs 3 and 4 to inputs 3 and 4.
func (BatchNormTrain) Updates(out int) int {
	if out >= 3 {
		return out
	}
	return -1
}

// Reduces says that the running statistics of several ranks become their mean.
func (BatchNormTrain) Reduces(int) Reduction { return RanksMean }

// BatchNormEval normalizes by the running statistics. Inputs as [BatchNorm].
// Output: y.
type BatchNormEval struct {
	Eps float32
}

// OpName returns "batch_norm_eval".
func (BatchNormEval) OpName() string { return "batch_norm_eval" }

// BatchNormGrad is the gradient of [BatchNormTrain]. Inputs: dy, x, gamma,
// batch mean, inverse standard deviation. Outputs: dx, dgamma, dbeta.
type BatchNormGrad struct{}

// OpName returns "batch_norm_grad".
func (BatchNormGrad) OpName() string { return "batch_norm_grad" }

// BatchNormEvalGrad is the gradient of [BatchNormEval]. Inputs: dy, x, gamma,
// running mean, running variance. Outputs: dx, dgamma, dbeta.
type BatchNormEvalGrad struct {
	Eps float32
}

// OpName returns "batch_norm_eval_grad".
func (BatchNormEvalGrad) OpName() string { return "batch_norm_eval_grad" }

// Overwrites says that the first output may have the storage of the first
// input.
func (BatchNormEval) Overwrites(out int) int { return firstOverFirst(out) }

// Overwrites says that the first output may have the storage of the first
// input.
func (BatchNormGrad) Overwrites(out int) int { return firstOverFirst(out) }

// Overwrites says that the first output may have the storage of the first
// input.
func (BatchNormEvalGrad) Overwrites(out int) int { return firstOverFirst(out) }
