package codes

import "github.com/goqat/goqat/tensor"

// WidenBF16 is [tensor.WidenBF16].
func WidenBF16(dst []float32, src []tensor.BFloat16) {
	dst = dst[:len(src)]
	n := expandBF16(dst, src)
	tensor.WidenBF16(dst[n:], src[n:])
}

// NarrowBF16 is [tensor.NarrowBF16].
func NarrowBF16(dst []tensor.BFloat16, src []float32) {
	dst = dst[:len(src)]
	n := roundBF16(dst, src)
	tensor.NarrowBF16(dst[n:], src[n:])
}
