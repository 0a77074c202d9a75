//go:build amd64 && !purego

package gemm

import "github.com/goqat/goqat/backend/cpu/internal/isa"

func init() { expandKernels.Add(isa.AVX2, expandAVX2) }

func expandAVX2(dst []float32, src []byte, signed bool, zero int32, scale float32) {
	n := len(dst) &^ 15
	if n > 0 {
		_ = src[n-1]
		expand := expandU8AVX2
		if signed {
			expand = expandI8AVX2
		}
		expand(uintptr(n/16), &dst[0], &src[0], zero, scale)
	}
	expandLoop(dst[n:], src[n:], signed, zero, scale)
}
