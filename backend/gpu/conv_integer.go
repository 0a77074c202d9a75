//go:build cuda

package gpu

import "github.com/goqat/goqat/backend"

func init() {
	register(backend.ConvInteger{}, kernel{module: "conv_integer", supports: codesAt(0, 1), bind: func(k *build, op backend.Op, out, in []*Buffer) error {
		g := newGeometry(op.(backend.ConvInteger).Conv, in[0].spec.Shape, in[1].spec.Shape, out[0].spec.Shape)
		if err := k.checkZeros(in[0], codeAt(in, 2), nil, 0, 0); err != nil {
			return err
		}
		return bindCodeConv(k, g, codeRule{}, out, codeInputs{x: in[0], w: in[1], zx: codeAt(in, 2), zw: codeAt(in, 3)})
	}})
}
