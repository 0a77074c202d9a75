package backend

// ClipScale is the factor that limits a gradient's norm,
//
//	min(1, Max / (norm + 1e-6))
//
// as PyTorch's clip_grad_norm_. Input: norm [1]. Output: [1]. A norm that is
// not a number gives a factor that is none.
type ClipScale struct {
	Max float32
}

// OpName returns "clip_scale".
func (ClipScale) OpName() string { return "clip_scale" }
