package backend

import "github.com/goqat/goqat/tensor"

// AveragePool takes the mean under each window position. Without CountPad the
// divisor is the number of elements inside the input; with it padding counts
// as zeros, but not what reaches beyond the padding when Ceil rounds the size
// of the result up (ONNX AveragePool, PyTorch). Input: x
// [batch, height, width, channels] or [batch, length, channels]. Output: y.
type AveragePool struct {
	Window
	Kernel         [2]int
	CountPad, Ceil bool
}

// OpName returns "average_pool".
func (AveragePool) OpName() string { return "average_pool" }

// Size returns height and width of the result for an input of this size.
func (p AveragePool) Size(in [2]int) ([2]int, error) { return p.pool(in, p.Kernel, p.Ceil) }

// Count returns the divisor along one axis (0 height, 1 width) of window
// position out of an input of n elements, and the taps [first, last) of the
// kernel that lie inside the input.
func (p AveragePool) Count(axis, out, n int) (count, first, last int) {
	w := p.Normal()
	s, d, k := w.Stride[axis], w.Dilation[axis], p.Kernel[axis]
	at := out*s - w.Pad[axis]
	end := n + w.Pad[axis+2]
	for t := range k {
		switch i := at + t*d; {
		case i >= 0 && i < n:
			count++
			if last == 0 {
				first = t
			}
			last = t + 1
		case p.CountPad && i < end:
			count++
		}
	}
	return count, first, last
}

// AveragePoolGrad is the gradient of [AveragePool]: each dy divided by its
// divisor goes to all elements under the window. Input: dy. Output: dx of
// shape Input.
type AveragePoolGrad struct {
	AveragePool
	Input tensor.Dims
}

// OpName returns "average_pool_grad".
func (AveragePoolGrad) OpName() string { return "average_pool_grad" }
