package backend

// Gemm is the linear layer y = x * w^T + bias. Inputs: x [..., in],
// w [out, in], bias [out], optional. Output: y [..., out].
type Gemm struct{}

// OpName returns "gemm".
func (Gemm) OpName() string { return "gemm" }

// GemmGradInput is the gradient of [Gemm] for its input, dx = dy * w. Inputs:
// dy [..., out], w [out, in], and with integer codes for w also their scale
// float32 [1 or out], the zero point being 0: w stands for scale * w.
// Output: dx [..., in]. Precision is for codes.
type GemmGradInput struct{ Precision GradPrecision }

// OpName returns "gemm_grad_input".
func (GemmGradInput) OpName() string { return "gemm_grad_input" }

// GemmGradWeight is the gradient of [Gemm] for its weight, dw = dy^T * x.
// Inputs: dy [..., out], x [..., in], and with integer codes for x also their
// scale float32 [1] and zero point int32 [1]: x stands for
// scale * (x - zero). Output: dw [out, in]. Precision is for codes.
type GemmGradWeight struct{ Precision GradPrecision }

// OpName returns "gemm_grad_weight".
func (GemmGradWeight) OpName() string { return "gemm_grad_weight" }
