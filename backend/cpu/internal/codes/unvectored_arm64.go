//go:build arm64 && !purego

package codes

import "github.com/goqat/goqat/quant"

// The functions of this file have no assembly here and do no elements.

func lsqGrad(_ quant.Rule, _, _, _ []float32, _ *params, _ *[16]float64) (n, nan int) { return 0, 0 }

func pair(bool, quant.Rule, []byte, []byte, []byte, []byte, *sides, *params) int { return 0 }

func sgd(SGDFactors, []float32, []float32, []float32) int { return 0 }

func adam(AdamFactors, []float32, []float32, []float32, []float32) int { return 0 }
