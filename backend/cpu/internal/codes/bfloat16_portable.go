//go:build !amd64 || purego

package codes

import "github.com/goqat/goqat/tensor"

func expandBF16([]float32, []tensor.BFloat16) int { return 0 }

func roundBF16([]tensor.BFloat16, []float32) int { return 0 }
