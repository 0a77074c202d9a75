//go:build arm64 && !purego

package codes

import "github.com/goqat/goqat/quant"

// The functions of this file have no assembly here and do no elements.

func lsqGrad(_ quant.Rule, _ bool, _, _, _ []float32, _ *params, _ *[16]float64) (n, nan int) {
	return 0, 0
}
