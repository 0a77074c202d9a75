// Package op registers every operation with the graph: shape inference,
// gradient, integer form and ONNX name, one file an operation.
//
// # Adding an operation
//
// All files of an operation have its name as stem; nothing shared is edited.
// For an operation "swish":
//
//	backend/swish.go              attribute struct, inputs and outputs, formula
//	op/swish.go                   graph.Register in init: Infer, Grad or NoGrad, ONNX or NoONNX
//	op/swish_test.go              gradient check
//	backend/cpu/swish.go          register(backend.Swish{}, kernel{...}) in init
//	backend/backendtest/swish.go  Register(conformance) in init: cases and float64 reference
//	onnx/swish.go                 reader and writer, when it has an ONNX name
//
// Gradient operations live in the files of the operation they belong to.
// TestEveryOpIsComplete fails when something is missing.
package op

import (
	"fmt"

	"github.com/goqat/goqat/graph"
	"github.com/goqat/goqat/tensor"
)

// one returns the type of an operation with a single output.
func one(s tensor.Spec) []tensor.Spec { return []tensor.Spec{s} }

// want returns an error unless there are between lo and hi inputs and the
// first lo are present.
func want(in []tensor.Spec, lo, hi int) error {
	if len(in) < lo || len(in) > hi {
		if lo == hi {
			return fmt.Errorf("op: %d inputs, want %d", len(in), lo)
		}
		return fmt.Errorf("op: %d inputs, want %d to %d", len(in), lo, hi)
	}
	for i := range lo {
		if in[i].DType == tensor.Invalid {
			return fmt.Errorf("op: input %d is absent", i)
		}
	}
	return nil
}

// wantFloat returns an error unless all given inputs are float32 or all are
// float64.
func wantFloat(in ...tensor.Spec) error {
	var d tensor.DType
	for i, s := range in {
		if s.DType == tensor.Invalid {
			continue
		}
		if s.DType != tensor.F32 && s.DType != tensor.F64 {
			return fmt.Errorf("op: input %d is %v, want float32 or float64", i, s.DType)
		}
		if d != tensor.Invalid && s.DType != d {
			return fmt.Errorf("op: input %d is %v, an earlier one %v", i, s.DType, d)
		}
		d = s.DType
	}
	return nil
}

// wantReal returns an error unless s is float32 or bfloat16: what quantizers
// take.
func wantReal(s tensor.Spec) error {
	if s.DType != tensor.F32 && s.DType != tensor.BF16 {
		return fmt.Errorf("op: input is %v, want float32 or bfloat16", s.DType)
	}
	return nil
}

// resultType returns the type that a dequantizing operation asks for.
func resultType(d tensor.DType) (tensor.DType, error) {
	switch d {
	case tensor.Invalid, tensor.F32:
		return tensor.F32, nil
	case tensor.BF16:
		return d, nil
	}
	return d, fmt.Errorf("op: result of type %v, want float32 or bfloat16", d)
}

// at returns in[i], the zero Spec beyond the end.
func at(in []tensor.Spec, i int) tensor.Spec {
	if i < len(in) {
		return in[i]
	}
	return tensor.Spec{}
}

// value returns in[i], the zero Value beyond the end.
func value(in []graph.Value, i int) graph.Value {
	if i < len(in) {
		return in[i]
	}
	return graph.Value{}
}

// errShapes says that the inputs' shapes do not go together.
func errShapes(in []tensor.Spec) error {
	return fmt.Errorf("op: shapes do not fit: %v", in)
}
