//go:build cuda

package gpu

import (
	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/cuda"
)

func init() {
	register(backend.Gemm{}, kernel{module: "gemm", types: f32, bind: func(k *build, _ backend.Op, out, in []*Buffer) error {
		return bindRealProduct(k, out, in, leading(in[0].spec.Shape), in[1].spec.Shape[0], in[1].spec.Shape[1])
	}})
	register(backend.GemmGradInput{}, kernel{module: "gemm", types: f32, bind: func(k *build, op backend.Op, out, in []*Buffer) error {
		if suffix, ok := k.gradSuffix(op.(backend.GemmGradInput).Precision, in); ok {
			return bindCodeGradInput(k, gemmGeometry(out[0].spec.Shape, in[1].spec.Shape), suffix, out, in)
		}
		return bindRealGradInput(k, out, in, leading(in[0].spec.Shape), in[1].spec.Shape[0], in[1].spec.Shape[1])
	}})
	register(backend.GemmGradWeight{}, kernel{module: "gemm", types: f32, bind: func(k *build, op backend.Op, out, in []*Buffer) error {
		if suffix, ok := k.gradSuffix(op.(backend.GemmGradWeight).Precision, in); ok {
			return bindCodeGradWeight(k, gemmGeometry(in[1].spec.Shape, out[0].spec.Shape), suffix, out, in)
		}
		return bindRealGradWeight(k, out, in, leading(in[0].spec.Shape), in[0].spec.Shape.Last(), in[1].spec.Shape.Last())
	}})
}

// realModule has the products of matrices of csrc/gemm.cu.
const realModule = "gemm"

// bindRealProduct launches y [m, n] of x [m, d] and w [n, d], with a bias or not.
func bindRealProduct(k *build, out, in []*Buffer, m, n, d int) error {
	return k.ordered(out[0], codeAt(in, 2), n, backend.ProductOrder(m, n, d), realTiles(m, n, 1), func(tiles cuda.Launch, y cuda.Ptr, bias *Buffer, order []byte) error {
		return k.launchFrom(realModule, "gemm", tiles, y, in[0], in[1], bias, int32(m), int32(n), int32(d), order)
	})
}

// bindRealGradInput launches dx [m, d] of dy [m, n] and w [n, d], in[1:].
func bindRealGradInput(k *build, out, in []*Buffer, m, n, d int) error {
	return k.ordered(out[0], nil, d, backend.ProductOrder(m, d, n), realTiles(m, d, 1), func(tiles cuda.Launch, dx cuda.Ptr, _ *Buffer, order []byte) error {
		return k.launchFrom(realModule, "gemm_grad_input", tiles, dx, in[0], structure(newRealOperand(in, 1)), int32(m), int32(n), int32(d), order)
	})
}

// bindRealGradWeight launches dw [n, d] of dy [m, n] and x [m, d], in[1:].
func bindRealGradWeight(k *build, out, in []*Buffer, m, n, d int) error {
	return k.ordered(out[0], nil, d, backend.ProductOrder(n, d, m), realTiles(n, d, 1), func(tiles cuda.Launch, dw cuda.Ptr, _ *Buffer, order []byte) error {
		return k.launchFrom(realModule, "gemm_grad_weight", tiles, dw, in[0], structure(newRealOperand(in, 1)), int32(m), int32(n), int32(d), order)
	})
}
