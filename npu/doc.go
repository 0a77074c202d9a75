// Package npu holds the targets that are formats of neural processing units,
// microcontrollers and their compilers, one folder each. A folder's package
// registers its target with package target in init; programs import the
// folders whose targets they want:
//
//	import _ "github.com/goqat/goqat/npu/tflite"
//
//	t, err := target.Lookup("tflite")
//	a, err := t.Lower(ctx, model)
//	_, err = a.WriteTo(file)
//
// Shared by all of them is the linter of package target: weight range, bias
// scale, accumulator bounds.
package npu
