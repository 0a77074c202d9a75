package backend

import (
	"fmt"

	"github.com/goqat/goqat/tensor"
)

// Slice takes the elements Starts, Starts+Steps, ... before Ends along each of
// Axes, by the rules of ONNX: negative starts, ends and axes count from the
// end, bounds beyond the tensor are clamped, a negative step goes backwards,
// no Axes means the first ones, no Steps means 1. It takes any element type
// of whole bytes.
type Slice struct {
	Axes, Starts, Ends, Steps tensor.Dims
}

// OpName returns "slice".
func (Slice) OpName() string { return "slice" }

// Range is the part of one dimension that a [Slice] takes.
type Range struct {
	Start, Step, Count int
}

// Ranges returns the part of each dimension of an input of shape in.
func (s Slice) Ranges(in tensor.Shape) ([]Range, error) {
	n := s.Starts.N
	if s.Ends.N != n || s.Axes.N != 0 && s.Axes.N != n || s.Steps.N != 0 && s.Steps.N != n {
		return nil, fmt.Errorf("backend: slice of %d axes with %d starts, %d ends, %d steps", s.Axes.N, n, s.Ends.N, s.Steps.N)
	}
	out := make([]Range, len(in))
	for i, d := range in {
		out[i] = Range{0, 1, d}
	}
	seen := make([]bool, len(in))
	for i := range n {
		a, step := i, 1
		if s.Axes.N > 0 {
			a = s.Axes.V[i]
		}
		if s.Steps.N > 0 {
			step = s.Steps.V[i]
		}
		a, err := Axis(a, len(in))
		if err != nil {
			return nil, err
		}
		if seen[a] || step == 0 {
			return nil, fmt.Errorf("backend: slice takes axis %d twice or with step 0", a)
		}
		seen[a] = true
		out[a] = rangeOf(s.Starts.V[i], s.Ends.V[i], step, in[a])
	}
	return out, nil
}

func rangeOf(start, end, step, dim int) Range {
	// A step beyond the dimension takes one element whatever it is.
	step = min(max(step, -max(dim, 1)), max(dim, 1))
	if start < 0 {
		start += dim
	}
	if end < 0 {
		end += dim
	}
	if step > 0 {
		start, end = min(max(start, 0), dim), min(max(end, 0), dim)
		return Range{start, step, max(0, (end-start+step-1)/step)}
	}
	start, end = min(max(start, 0), dim-1), min(max(end, -1), dim-1)
	return Range{max(start, 0), step, max(0, (start-end-step-1)/-step)}
}

// SliceGrad puts dy where [Slice] took it from and zeros elsewhere. Input: dy.
// Output: dx of shape Input.
type SliceGrad struct {
	Slice
	Input tensor.Dims
}

// OpName returns "slice_grad".
func (SliceGrad) OpName() string { return "slice_grad" }
