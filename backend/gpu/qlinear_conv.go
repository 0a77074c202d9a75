//go:build cuda

package gpu

import "github.com/goqat/goqat/backend"

func init() {
	register(backend.QLinearConv{}, kernel{module: "qlinear_conv", supports: codesAt(0, 3), bind: func(k *build, op backend.Op, out, in []*Buffer) error {
		o := op.(backend.QLinearConv)
		y := out[0]
		if y == nil {
			y = out[1]
		}
		if y == nil {
			return nil
		}
		g := newGeometry(o.Conv, in[0].spec.Shape, in[3].spec.Shape, y.spec.Shape)
		return bindQLinear(k, g, newCodeRule(o.Rule, o.Scheme, o.Lo, o.Hi), out, in)
	}})
}

// bindQLinear launches a layer with inputs cx, sx, zx, cw, sw, zw?, sy, zy,
// bias? from codes to codes.
func bindQLinear(k *build, g geometry, r codeRule, out, in []*Buffer) error {
	if out[0] == nil && out[1] == nil {
		return nil
	}
	if err := k.checkZeros(in[0], in[2], in[7], r.Lo, r.Hi); err != nil {
		return err
	}
	return bindCodeConv(k, g, r, out, codeInputs{x: in[0], sx: in[1], zx: in[2], w: in[3], sw: in[4], zw: in[5], sy: in[6], zy: in[7], bias: codeAt(in, 8)})
}
