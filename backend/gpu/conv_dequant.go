//go:build cuda

package gpu

import (
	"strings"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/tensor"
)

func init() {
	register(backend.ConvDequant{}, kernel{module: "conv_dequant", supports: dequantSupports, bind: func(k *build, op backend.Op, out, in []*Buffer) error {
		return bindDequant(k, newGeometry(op.(backend.ConvDequant).Conv, in[0].spec.Shape, in[3].spec.Shape, out[0].spec.Shape), out, in)
	}})
}

// dequantSupports leaves it to the reader of the result to look at all of it:
// nothing is collected.
func dequantSupports(op backend.Op, in []tensor.Spec) bool {
	switch o := op.(type) {
	case backend.ConvDequant:
		if o.Collect != backend.CollectNothing {
			return false
		}
	case backend.GemmDequant:
		if o.Collect != backend.CollectNothing {
			return false
		}
	}
	return codesAt(0, 3)(op, in)
}

// bindDequant launches a layer with inputs cx, sx, zx, cw, sw, bias? and a
// real result.
func bindDequant(k *build, g geometry, out, in []*Buffer) error {
	k.halfResults(out)
	return bindCodeConv(k, g, codeRule{}, out, codeInputs{x: in[0], sx: in[1], zx: in[2], w: in[3], sw: in[4], bias: codeAt(in, 5)})
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
