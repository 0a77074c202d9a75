//go:build arm64 && !purego

package codes

import (
	"github.com/goqat/goqat/backend/cpu/internal/gemm"
	"github.com/goqat/goqat/quant"
)

// The functions of this file have no assembly here and do no elements.

func lsqGrad(_ quant.Rule, _ bool, _, _, _ []float32, _ *params, _ *[16]float64) (n, nan int) {
	return 0, 0
}

func dequantizeMoments(_ []float32, _, _ int, _ gemm.IntBlock, _ []int32, _, _ []float32, _ *ColumnMoments) int {
	return 0
}

func dequantizeEnds(_ []float32, _ int, _ gemm.IntBlock, _ []int32, _, _, _, _ []float32) bool {
	return false
}
