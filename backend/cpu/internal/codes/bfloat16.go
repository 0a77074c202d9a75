package codes

import (
	"github.com/goqat/goqat/backend/cpu/internal/gemm"
	"github.com/goqat/goqat/tensor"
)

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

// DequantizeBlockBF16 is [DequantizeBlock] with the results rounded.
func DequantizeBlockBF16(dst []tensor.BFloat16, b gemm.IntBlock, add []int32, scale, bias []float32, channels int) {
	reach(channels, len(add), len(scale), len(bias))
	var wide [512]float32
	for r := b.Lo; r < b.Hi; r++ {
		row := b.Row(r)
		for j := 0; j < len(row); j += len(wide) {
			n := min(len(wide), len(row)-j)
			c := b.From + j
			DequantizeSums(wide[:n], row[j:j+n], add[c:], scale[c:], bias[c:], n)
			NarrowBF16(dst[r*channels+c:][:n], wide[:n])
		}
	}
}
