//go:build cuda

package gpu

import (
	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/cuda"
)

func init() {
	register(backend.Gemm{}, kernel{module: "gemm", types: f32, bind: func(k *build, _ backend.Op, out, in []*Buffer) error {
		m, n, d := leading(in[0].spec.Shape), in[1].spec.Shape[0], in[1].spec.Shape[1]
		return k.launch("gemm", realTiles(m, n, 1), out[0], in[0], in[1], codeAt(in, 2), int32(m), int32(n), int32(d))
	}})
	register(backend.GemmGradInput{}, kernel{module: "gemm", types: f32, bind: func(k *build, op backend.Op, out, in []*Buffer) error {
		if suffix, ok := k.gradSuffix(op.(backend.GemmGradInput).Precision, in); ok {
			return bindCodeGradInput(k, gemmGeometry(out[0].spec.Shape, in[1].spec.Shape), suffix, out, in)
		}
		m, n, d := leading(in[0].spec.Shape), in[1].spec.Shape[0], in[1].spec.Shape[1]
		return k.launch("gemm_grad_input", realTiles(m, d, 1), out[0], in[0], structure(newRealOperand(in, 1)), int32(m), int32(n), int32(d))
	}})
	register(backend.GemmGradWeight{}, kernel{module: "gemm", types: f32, bind: func(k *build, op backend.Op, out, in []*Buffer) error {
		if suffix, ok := k.gradSuffix(op.(backend.GemmGradWeight).Precision, in); ok {
			return bindCodeGradWeight(k, gemmGeometry(in[1].spec.Shape, out[0].spec.Shape), suffix, out, in)
		}
		m, n, d := leading(in[0].spec.Shape), in[0].spec.Shape.Last(), in[1].spec.Shape.Last()
		tiles := realTiles(n, d, 1)
		splits := splitParts(tiles.Grid.X*tiles.Grid.Y, m)
		return splitSum(k, out[0], splits, func(parts cuda.Ptr) error {
			return k.launch("gemm_grad_weight", realTiles(n, d, splits), parts, in[0], structure(newRealOperand(in, 1)), int32(m), int32(n), int32(d), int32(splits))
		})
	}})
}
