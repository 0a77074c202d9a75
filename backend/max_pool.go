package backend

import "github.com/goqat/goqat/tensor"

// MaxPool takes the largest element under each window position, the first of
// equal ones; padding never wins, and a NaN always does (the last of several),
// as in PyTorch.
// Ceil rounds the size of the result up. Input: x
// [batch, height, width, channels] or [batch, length, channels], floats or
// codes. Outputs: y, and for each of its elements the int32 position
// row * width + column of the winner in its input plane (-1 for a window
// that holds nothing, whose y is the lowest value of the type).
type MaxPool struct {
	Window
	Kernel [2]int
	Ceil   bool
}

// OpName returns "max_pool".
func (MaxPool) OpName() string { return "max_pool" }

// Size returns height and width of the result for an input of this size.
func (p MaxPool) Size(in [2]int) ([2]int, error) { return p.pool(in, p.Kernel, p.Ceil) }

// MaxPoolGrad is the gradient of [MaxPool]: each dy goes to the winner.
// Inputs: dy, positions. Output: dx of shape Input.
type MaxPoolGrad struct {
	Input tensor.Dims
}

// OpName returns "max_pool_grad".
func (MaxPoolGrad) OpName() string { return "max_pool_grad" }
