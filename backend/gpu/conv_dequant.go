//go:build cuda

package gpu

import "github.com/goqat/goqat/backend"

func init() {
	register(backend.ConvDequant{}, kernel{module: "conv_dequant", supports: codesAt(0, 3), bind: func(k *build, op backend.Op, out, in []*Buffer) error {
		return bindDequant(k, newGeometry(op.(backend.ConvDequant).Conv, in[0].spec.Shape, in[3].spec.Shape, out[0].spec.Shape), out, in)
	}})
}

// bindDequant launches a layer with inputs cx, sx, zx, cw, sw, bias? and a
// real result.
func bindDequant(k *build, g geometry, out, in []*Buffer) error {
	return bindCodeConv(k, g, codeRule{}, out, codeInputs{x: in[0], sx: in[1], zx: in[2], w: in[3], sw: in[4], bias: codeAt(in, 5)})
}
