package backend

import (
	"fmt"

	"github.com/goqat/goqat/tensor"
)

// PadMode says what a [Pad] puts around a tensor.
type PadMode uint8

// The modes of padding.
const (
	// PadConstant puts a value.
	PadConstant PadMode = iota
	// PadReflect mirrors at the border element: 2 1 | 0 1 2 | 1 0.
	PadReflect
	// PadEdge repeats the border element.
	PadEdge
)

// Pad adds Before and After elements to each dimension. Inputs: x of any
// element type of whole bytes, and an optional int32 or float of one element
// that is used instead of Value, such as the zero point of codes.
type Pad struct {
	Before, After tensor.Dims
	Value         float32
	Mode          PadMode
}

// OpName returns "pad".
func (Pad) OpName() string { return "pad" }

// Output returns the dimensions for an input of shape in.
func (p Pad) Output(in tensor.Shape) (tensor.Shape, error) {
	if p.Before.N != len(in) || p.After.N != len(in) {
		return nil, fmt.Errorf("backend: pad %v, %v for %v: want one number a dimension", p.Before, p.After, in)
	}
	out := in.Clone()
	for i, d := range in {
		b, a := p.Before.V[i], p.After.V[i]
		switch {
		case b < 0 || a < 0 || b+a < 0 || d+b+a < 0:
			return nil, fmt.Errorf("backend: pad %v, %v for %v: negative or too large", p.Before, p.After, in)
		case p.Mode == PadReflect && max(a, b) > max(d-1, 0), p.Mode == PadEdge && d == 0 && a+b > 0:
			return nil, fmt.Errorf("backend: pad %v, %v for %v: dimension %d is too small for the mode", p.Before, p.After, in, i)
		case p.Mode > PadEdge:
			return nil, fmt.Errorf("backend: unknown pad mode %d", p.Mode)
		}
		out[i] = d + b + a
	}
	return out, nil
}

// Source returns the input index along axis i, of size dim, that output index
// o shows, -1 for the constant.
func (p Pad) Source(i, o, dim int) int {
	s := o - p.Before.V[i]
	if s >= 0 && s < dim {
		return s
	}
	switch p.Mode {
	case PadEdge:
		return min(max(s, 0), dim-1)
	case PadReflect:
		if s < 0 {
			return -s
		}
		return 2*(dim-1) - s
	}
	return -1
}

// PadGrad adds up dy at the elements that [Pad] showed. Input: dy. Output: dx
// of shape Input.
type PadGrad struct {
	Pad
	Input tensor.Dims
}

// OpName returns "pad_grad".
func (PadGrad) OpName() string { return "pad_grad" }
