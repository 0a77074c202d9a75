package backend

// Clip is y = min(max(x, Lo), Hi), elementwise; ReLU6 is Clip{0, 6}. A NaN
// stays a NaN. The gradient is 0 at the bounds themselves, as that of [Relu]
// and of PyTorch's ReLU6.
type Clip struct {
	Lo, Hi float32
}

// OpName returns "clip".
func (Clip) OpName() string { return "clip" }

// Bounds returns Lo and Hi.
func (c Clip) Bounds() (lo, hi float32) { return c.Lo, c.Hi }

// ClipGrad is dx = dy where Lo < y < Hi, else 0. Inputs: dy, y.
type ClipGrad struct {
	Lo, Hi float32
}

// OpName returns "clip_grad".
func (ClipGrad) OpName() string { return "clip_grad" }

// Overwrites says that the first output may have the storage of the first
// input.
func (ClipGrad) Overwrites(out int) int { return firstOverFirst(out) }
