//go:build arm64 && !purego

package codes

import (
	"github.com/goqat/goqat/backend/cpu/internal/gemm"
	"github.com/goqat/goqat/quant"
)

// blockStep is the number of columns that the loops over a row of a block do
// in a call.
const blockStep = 16

// requantizeBlock writes the codes of b to dst, which begins with them, and
// the mask bits, from bit from on, to mask. It reports whether vectors could.
func requantizeBlock(q *Requantizer, dst, mask []byte, from int, _ bool, b gemm.IntBlock) bool {
	rows, cols := b.Hi-b.Lo, b.To-b.From
	if !vectors() || len(b.Acc) < (rows-1)*b.Stride+(cols+7)&^7 {
		return false
	}
	_ = dst[(rows-1)*q.channels+cols-1]
	if mask != nil {
		_ = mask[(from+(rows-1)*q.channels+cols-1)/8]
	}
	for r := range rows {
		at := r * q.channels
		acc := b.Acc[r*b.Stride:]
		for c := 0; c < cols; c += blockStep {
			n := min(cols-c, blockStep)
			var bits *byte
			if mask != nil {
				bits = &mask[(from+at+c)/8]
			}
			if n&7 == 0 {
				q.row(&dst[at+c], bits, &acc[c], b.From+c, n)
				continue
			}
			// Fewer than the vectors write; bits are of whole bytes alone.
			var codes [blockStep]byte
			var some [blockStep / 8]byte
			if mask != nil {
				bits = &some[0]
			}
			q.row(&codes[0], bits, &acc[c], b.From+c, (n+7)&^7)
			copy(dst[at+c:at+c+n], codes[:])
			if mask != nil {
				copy(mask[(from+at+c)/8:], some[:n/8])
			}
		}
	}
	return true
}

// row writes the codes of n sums, a multiple of 8, of the columns from column
// on.
func (q *Requantizer) row(dst, mask *byte, acc *int32, column, n int) {
	of, by := step(blockStep)
	add, p, u := &q.add[column], &q.p, uintptr(n)
	if q.factor != nil {
		requantizeNEON(dst, mask, acc, add, &q.factor[column], p, of, by, u)
		return
	}
	m, left, right := &q.fixed[column], &q.left[column], &q.right[column]
	if q.rule.Requant == quant.RequantQ31Double {
		requantizeDoubleNEON(dst, mask, acc, add, m, left, right, p, of, by, u)
	} else {
		requantizeSingleNEON(dst, mask, acc, add, m, left, right, p, of, by, u)
	}
}

// dequantizeBlock writes the first columns of b to dst, which begins with
// them, and returns their number.
func dequantizeBlock(dst []float32, channels int, b gemm.IntBlock, add []int32, scale, bias []float32) int {
	rows, cols := b.Hi-b.Lo, (b.To-b.From)&^7
	if !vectors() || cols == 0 {
		return 0
	}
	_, _ = dst[(rows-1)*channels+cols-1], b.Acc[(rows-1)*b.Stride+cols-1]
	of, by := step(blockStep)
	for r := range rows {
		for c := 0; c < cols; c += blockStep {
			column := b.From + c
			dequantizeSumsNEON(&dst[r*channels+c], &b.Acc[r*b.Stride+c], &add[column], &scale[column], &bias[column], of, by, uintptr(min(cols-c, blockStep)))
		}
	}
	return cols
}
