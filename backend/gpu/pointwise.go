//go:build cuda

package gpu

import (
	"strconv"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/cuda"
	"github.com/goqat/goqat/tensor"
)

// single is the launch of one thread.
var single = cuda.Launch{Grid: cuda.Dim{X: 1}, Block: cuda.Dim{X: 1}}

// suffixes are the endings of the names of kernels for element types.
var suffixes = map[tensor.DType]string{tensor.F32: "f32", tensor.F64: "f64", tensor.I8: "i8", tensor.U8: "u8", tensor.I32: "i32", tensor.I64: "i64", tensor.BF16: "bf16"}

// Element types of kernels that have one for each.
var (
	castable   = []tensor.DType{tensor.F32, tensor.F64, tensor.I8, tensor.U8, tensor.I32, tensor.I64}
	arithmetic = []tensor.DType{tensor.F32, tensor.I32, tensor.I64}
)

// pointwiseOne is the kernel of y = f(x).
func pointwiseOne(module, name string) kernel {
	return kernel{module: module, types: f32, bind: func(k *build, _ backend.Op, out, in []*Buffer) error {
		n := in[0].numel()
		return k.launch(name, k.elementwise(n), out[0], in[0], int64(n))
	}}
}

// pointwiseTwo is the kernel of z = f(a, b) for tensors of one shape.
func pointwiseTwo(module, name string) kernel {
	return kernel{module: module, types: f32, bind: func(k *build, _ backend.Op, out, in []*Buffer) error {
		n := in[0].numel()
		return k.launch(name, k.elementwise(n), out[0], in[0], in[1], int64(n))
	}}
}

// viewCopy copies the bytes of the input to the output of another shape. In
// programs such operations are views, and nothing runs.
var viewCopy = kernel{bind: func(k *build, _ backend.Op, out, in []*Buffer) error {
	if n := in[0].spec.Bytes(); n > 0 {
		k.command(cuda.Copy(out[0].ptr, in[0].ptr, n))
	}
	return nil
}}

// decimal returns the float64 of the shortest decimal of v, 0.9 for
// float32(0.9): attributes are decimals that users wrote.
func decimal(v float32) float64 {
	d, err := strconv.ParseFloat(strconv.FormatFloat(float64(v), 'g', -1, 32), 64)
	if err != nil { // An infinity; it is its own decimal.
		return float64(v)
	}
	return d
}
