package backend

// BatchNormAffine turns batch normalization by the statistics of x into one
// factor and one addend a channel, which whoever reads x next applies:
//
//	y = clamp(x * scale + shift, Lo, Hi), scale = gamma * invstd, shift = beta - mean * scale
//
// Inputs: x [..., channels], gamma, beta, running mean, running variance, as
// [BatchNormTrain]; moments float64 [4, channels] of x? ([CollectMoments]),
// which spare reading x. Outputs: affine [4, channels], the rows scale, shift, mean
// and invstd = 1/sqrt(var + Eps); range [2], the least and the greatest y;
// running mean and variance, in place. A NaN in x makes the range NaN.
type BatchNormAffine struct {
	Eps, Momentum, Lo, Hi float32
}

// OpName returns "batch_norm_affine".
func (BatchNormAffine) OpName() string { return "batch_norm_affine" }

// Informs returns the moments, input 5.
func (BatchNormAffine) Informs() (Collect, int) { return CollectMoments, 5 }

// Updates maps outputs 2 and 3 to inputs 3 and 4.
func (BatchNormAffine) Updates(out int) int {
	if out >= 2 {
		return out + 1
	}
	return -1
}

// Reduces says that the running statistics of several ranks become their mean.
func (BatchNormAffine) Reduces(int) Reduction { return RanksMean }
