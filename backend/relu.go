package backend

import "math"

// Relu is y = max(x, 0), elementwise; the gradient at 0 is 0, as in PyTorch.
type Relu struct{}

// OpName returns "relu".
func (Relu) OpName() string { return "relu" }

// Bounds returns 0 and +Inf.
func (Relu) Bounds() (lo, hi float32) { return 0, float32(math.Inf(1)) }

// ReluGrad is dx = dy where y > 0, else 0. Inputs: dy, y.
type ReluGrad struct{}

// OpName returns "relu_grad".
func (ReluGrad) OpName() string { return "relu_grad" }

// Overwrites says that the first output may have the storage of the first
// input.
func (ReluGrad) Overwrites(out int) int { return firstOverFirst(out) }
