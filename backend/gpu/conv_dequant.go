//go:build cuda

package gpu

import (
	"strings"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/tensor"
)

func init() {
	register(backend.ConvDequant{}, kernel{module: "conv_dequant", supports: dequantSupports, bind: func(k *build, op backend.Op, out, in []*Buffer) error {
		o := op.(backend.ConvDequant)
		return bindDequant(k, newGeometry(o.Conv, in[0].spec.Shape, in[3].spec.Shape, out[0].spec.Shape), o.Collect, out, in)
	}})
}

// dequantSupports wants codes, and what can be collected.
func dequantSupports(op backend.Op, in []tensor.Spec) bool {
	if !codesAt(0, 3)(op, in) {
		return false
	}
	switch o := op.(type) {
	case backend.ConvDequant:
		return backend.Collects(o.Collect, o.Result, in[0], in[3])
	case backend.GemmDequant:
		return backend.Collects(o.Collect, o.Result, in[0], in[3])
	}
	return true
}

// bindDequant launches a layer with inputs cx, sx, zx, cw, sw, bias? and a
// real result, of which it collects what c says.
func bindDequant(k *build, g geometry, c backend.Collect, out, in []*Buffer) error {
	k.halfResults(out)
	return bindCodeConv(k, g, codeRule{}, out, codeInputs{x: in[0], sx: in[1], zx: in[2], w: in[3], sw: in[4], bias: codeAt(in, 5), collect: c})
}

// halfResults takes the kernels of the module that round results to bf16, if
// those are what is wanted.
func (k *build) halfResults(out []*Buffer) {
	if len(out) > 0 && out[0] != nil && out[0].spec.DType == tensor.BF16 {
		k.module += "_bf16"
	}
}

// halves reports whether the module's results are bf16: those have kernels of
// mma.sync alone, and none of vendors.
func (k *build) halves() bool { return strings.HasSuffix(k.module, "_bf16") }
