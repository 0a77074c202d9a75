//go:build cuda

package gpu

import "github.com/goqat/goqat/tensor"

// codes are the types of codes.
var codes = []tensor.DType{tensor.I8, tensor.U8}

// codeTable runs a function of codes, scale and zero point of the input and
// those of the result (csrc/code_table.cuh): the kernel fill makes the table,
// and run looks codes up.
func codeTable(k *build, fill, run string, out, in []*Buffer, args ...any) error {
	table, err := k.temporary(2 * 256)
	if err != nil {
		return err
	}
	args = append([]any{table, in[1], in[2], in[3], in[4], flag32(in[0].spec.DType == tensor.I8)}, args...)
	if err := k.launch(fill, oneBlock, args...); err != nil {
		return err
	}
	n := in[0].numel()
	return k.launch(run, k.elementwise(n), out[0], out[1], in[0], table, int64(n))
}
