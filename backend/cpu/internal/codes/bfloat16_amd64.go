//go:build amd64 && !purego

package codes

import (
	"unsafe"

	"github.com/goqat/goqat/tensor"
)

//go:generate go -C ../../../../internal/asmgen run ./codes -isa avx512 -group bfloat16 -out ../../backend/cpu/internal/codes/bfloat16_avx512_amd64.s -stubs ../../backend/cpu/internal/codes/bfloat16_avx512_amd64.go -pkg codes
//go:generate go -C ../../../../internal/asmgen run ./codes -isa avx2 -group bfloat16 -out ../../backend/cpu/internal/codes/bfloat16_avx2_amd64.s -stubs ../../backend/cpu/internal/codes/bfloat16_avx2_amd64.go -pkg codes

func words(v []tensor.BFloat16) *uint16 { return (*uint16)(unsafe.Pointer(unsafe.SliceData(v))) }

func expandBF16(dst []float32, src []tensor.BFloat16) int {
	w := lanes()
	n := count(w, len(src))
	switch {
	case n == 0:
	case w == 16:
		expandBF16AVX512(&dst[0], words(src), uintptr(n))
	default:
		expandBF16AVX2(&dst[0], words(src), uintptr(n))
	}
	return n
}

func roundBF16(dst []tensor.BFloat16, src []float32) int {
	w := lanes()
	n := count(w, len(src))
	switch {
	case n == 0:
	case w == 16:
		roundBF16AVX512(words(dst), &src[0], uintptr(n))
	default:
		roundBF16AVX2(words(dst), &src[0], uintptr(n))
	}
	return n
}
