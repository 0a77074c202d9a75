package backend

import (
	"fmt"

	"github.com/goqat/goqat/tensor"
)

// Reshape changes the dimensions and keeps the bytes. In Shape a 0 copies the
// input's dimension at that place and one -1 takes what is left, as in ONNX.
type Reshape struct {
	Shape tensor.Dims
}

// OpName returns "reshape".
func (Reshape) OpName() string { return "reshape" }

// View marks the output as the input's bytes.
func (Reshape) View() {}

// Output returns the dimensions for an input of shape in.
func (r Reshape) Output(in tensor.Shape) (tensor.Shape, error) {
	fail := func() (tensor.Shape, error) {
		return nil, fmt.Errorf("backend: cannot reshape %v to %v", in, r.Shape)
	}
	out := tensor.Shape(r.Shape.Slice())
	infer := -1
	for i, d := range out {
		switch {
		case d == 0:
			if i >= len(in) {
				return fail()
			}
			out[i] = in[i]
		case d == -1:
			if infer >= 0 {
				return fail()
			}
			infer, out[i] = i, 1
		case d < 0:
			return fail()
		}
	}
	if err := out.Check(); err != nil {
		return nil, err
	}
	n := out.Numel()
	if infer >= 0 {
		if n == 0 || in.Numel()%n != 0 {
			return fail()
		}
		out[infer] = in.Numel() / n
		n *= out[infer]
	}
	if n != in.Numel() {
		return fail()
	}
	return out, nil
}
