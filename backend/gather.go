package backend

import (
	"errors"

	"github.com/goqat/goqat/tensor"
)

// ErrIndex says that an index or label that the data holds is out of range.
var ErrIndex = errors.New("index out of range")

// Gather picks slices of data along Axis. Inputs: data [a..., d, b...] of any
// element type of whole bytes, indices int32 or int64 [i...], where a
// negative one counts from the end. Output: [a..., i..., b...]. An index
// outside [-d, d) is an error ([ErrIndex]).
type Gather struct {
	Axis int
}

// OpName returns "gather".
func (Gather) OpName() string { return "gather" }

// GatherGrad adds up dy, in the order of the indices, at the slices that
// [Gather] picked. Inputs: dy, indices. Output: ddata of shape Input.
type GatherGrad struct {
	Gather
	Input tensor.Dims
}

// OpName returns "gather_grad".
func (GatherGrad) OpName() string { return "gather_grad" }
