//go:build (!amd64 && !arm64) || purego

package codes

import (
	"github.com/goqat/goqat/backend/cpu/internal/gemm"
	"github.com/goqat/goqat/quant"
)

// The functions of this file do the elements that vectors can, from the first
// on, and return their number: none.

func vectors() bool { return false }

func quantize(quant.Rule, []byte, []byte, []float32, *params) (n, nan int) { return 0, 0 }

func fakeQuantize(quant.Rule, bool, []float32, []byte, []float32, *params) (n, nan int) { return 0, 0 }

func dequantizeCodes([]float32, []byte, bool, *params) int { return 0 }

func steGrad(bool, []float32, []float32, []byte) int { return 0 }

func requantize([]byte, []byte, []int32, []int32, []float32, *params, int) int { return 0 }

func requantizeFixed(_ bool, _, _ []byte, _, _, _, _, _ []int32, _ *params, _ int) int { return 0 }

func dequantizeSums([]float32, []int32, []int32, []float32, []float32, int) int { return 0 }

func affine([]float32, []float32, []float32, []float32, int) int { return 0 }

func normGrad(_, _, _, _, _, _, _ []float32, _ int) int { return 0 }

func extremes(_ []float32, lo, hi float32) (n int, least, most float32, nan bool) {
	return 0, lo, hi, false
}

func momentsVectors(_ []float32, _, _ int, _, _, _, _, _ []float32) int { return 0 }

func productsVectors(_, _ []float32, _ int, _, _, _ []float32) int { return 0 }

func quantizeActivation(_ quant.Rule, _ *Activation, _, _ []byte, _ []float32, _ *params) (n, nan int) {
	return 0, 0
}

func clamp(_, _ []float32, _, _ float32) int { return 0 }

func clampGrad(_, _, _ []float32, _, _ float32) int { return 0 }

func requantizeBlock(*Requantizer, []byte, []byte, int, bool, gemm.IntBlock) bool { return false }

func dequantizeBlock([]float32, int, gemm.IntBlock, []int32, []float32, []float32) int { return 0 }

func dequantizeMoments(_ []float32, _, _ int, _ gemm.IntBlock, _ []int32, _, _ []float32, _ *ColumnMoments) int {
	return 0
}

func dequantizeEnds(_ []float32, _ int, _ gemm.IntBlock, _ []int32, _, _, _, _ []float32) bool {
	return false
}

func lsqGrad(_ quant.Rule, _ bool, _, _, _ []float32, _ *params, _ *[16]float64) (n, nan int) {
	return 0, 0
}

func pair(bool, quant.Rule, []byte, []byte, []byte, []byte, *sides, *params) int { return 0 }

func sgd(SGDFactors, []float32, []float32, []float32) int { return 0 }

func adam(AdamFactors, []float32, []float32, []float32, []float32) int { return 0 }
