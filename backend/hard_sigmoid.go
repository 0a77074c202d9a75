package backend

// HardSigmoid is y = min(max(x+3, 0), 6) / 6, elementwise: PyTorch's, and
// ONNX's with alpha 1/6 and beta 1/2.
type HardSigmoid struct{}

// OpName returns "hard_sigmoid".
func (HardSigmoid) OpName() string { return "hard_sigmoid" }

// HardSigmoidGrad is dx = dy/6 where -3 < x < 3, else 0. Inputs: dy, x.
type HardSigmoidGrad struct{}

// OpName returns "hard_sigmoid_grad".
func (HardSigmoidGrad) OpName() string { return "hard_sigmoid_grad" }
