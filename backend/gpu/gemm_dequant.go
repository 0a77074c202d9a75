//go:build cuda

package gpu

import "github.com/goqat/goqat/backend"

func init() {
	register(backend.GemmDequant{}, kernel{module: "conv_dequant", supports: dequantSupports, bind: func(k *build, op backend.Op, out, in []*Buffer) error {
		return bindDequant(k, gemmGeometry(in[0].spec.Shape, in[3].spec.Shape), op.(backend.GemmDequant).Collect, out, in)
	}})
}
