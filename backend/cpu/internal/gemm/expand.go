package gemm

import "github.com/goqat/goqat/backend/cpu/internal/isa"

// expandFunc writes scale * (code - zero), rounded once, to dst.
type expandFunc func(dst []float32, src []byte, signed bool, zero int32, scale float32)

var expandKernels = isa.NewFamily("codes to float32", expandFunc(expandLoop))

// ExpandCodes writes scale * (code - zero) for the len(dst) first codes of
// src to dst.
func ExpandCodes(dst []float32, src []byte, signed bool, zero int32, scale float32) {
	expandKernels.Kernel()(dst, src[:len(dst)], signed, zero, scale)
}

func expandLoop(dst []float32, src []byte, signed bool, zero int32, scale float32) {
	src = src[:len(dst)]
	if signed {
		for i, c := range src {
			dst[i] = float32(int32(int8(c))-zero) * scale
		}
		return
	}
	for i, c := range src {
		dst[i] = float32(int32(c)-zero) * scale
	}
}
