package backend

import "github.com/goqat/goqat/tensor"

// GlobalAveragePool is the mean over all dimensions between the first and the
// last. Input: x [batch, ..., channels]. Output: y [batch, channels], with
// KeepDims [batch, 1, ..., 1, channels].
type GlobalAveragePool struct {
	KeepDims bool
}

// OpName returns "global_average_pool".
func (GlobalAveragePool) OpName() string { return "global_average_pool" }

// GlobalAveragePoolGrad is the gradient of [GlobalAveragePool]: dy divided by
// the number of elements averaged, everywhere. Input: dy. Output: dx of shape
// Input.
type GlobalAveragePoolGrad struct {
	Input tensor.Dims
}

// OpName returns "global_average_pool_grad".
func (GlobalAveragePoolGrad) OpName() string { return "global_average_pool_grad" }
