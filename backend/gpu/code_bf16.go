//go:build cuda

package gpu

import (
	"os"
	"strings"
)

// Products of codes run on int8 tensor cores, or, with the same bits, on those
// of bf16 (csrc/code_bf16.cu), for devices that have few of the former.

// codeBF16Module has the kernels of bf16.
const codeBF16Module = "code_bf16"

// codesAsBF16 reports whether products of codes run in bf16: on compute
// capability 10.3 (B300), whose int8 rate is a thirtieth of that of 10.0.
// GOQAT_GPU_INT8 chooses otherwise: "bf16" where the device can, "int8".
func (k *build) codesAsBF16() bool {
	if !k.code.has(codeBF16Module) {
		return false
	}
	switch os.Getenv("GOQAT_GPU_INT8") {
	case "bf16":
		return true
	case "int8":
		return false
	}
	return k.arch() == 103
}

// codeKernel returns module and name of the kernel for a product of codes of
// a kind, "conv" or "matmul", with tiles of a side and left elements x.
func (k *build) codeKernel(kind string, side int, x *Buffer) (module, name string) {
	name = k.tileName(side, x)
	if !k.codesAsBF16() || k.halves() {
		return k.module, name
	}
	return codeBF16Module, kind + "_" + resultsOf(k.module) + strings.TrimPrefix(name, k.module)
}
