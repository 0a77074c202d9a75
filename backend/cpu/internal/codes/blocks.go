package codes

import (
	"math"

	"github.com/goqat/goqat/backend/cpu/internal/gemm"
	"github.com/goqat/goqat/quant"
)

// RequantizeBlock is [Requantize] for a block of the sums of a product: dst
// is the whole result, [rows, channels], and mask, unless it is nil, all its
// bits. With a mask a row of the result, or the whole block, is whole bytes.
func RequantizeBlock[T quant.Code](q *Requantizer, dst []T, mask []byte, b gemm.IntBlock) {
	if b.Hi == b.Lo || b.To == b.From {
		return
	}
	from := b.Lo*q.channels + b.From
	if q.words && isRange[T](q.lo, q.hi) && (mask == nil || q.channels%8 == 0) &&
		requantizeBlock(q, bytesOf(dst[from:(b.Hi-1)*q.channels+b.To]), mask, from, signed[T](), b) {
		return
	}
	if b.From == 0 && b.To == q.channels && b.Stride == q.channels {
		lo, hi := b.Lo*q.channels, b.Hi*q.channels
		Requantize(q, dst[lo:hi], bitsFrom(mask, lo, hi), b.Acc[:hi-lo])
		return
	}
	n := b.To - b.From
	m := q.m
	if len(m) > 1 {
		m = m[b.From:b.To]
	}
	for r := b.Lo; r < b.Hi; r++ {
		row, add := b.Row(r), q.add[b.From:]
		for i := range row {
			row[i] += add[i]
		}
		at := r*q.channels + b.From
		quant.RequantizeCodes(q.rule, dst[at:at+n], bitsFrom(mask, at, at+n), row, m, q.zero, q.lo, q.hi, n, 0, n)
	}
}

// InKernel returns how a product makes the codes dst [rows, channels] itself,
// nil when its kernels cannot. It holds until the next Set.
func InKernel[T quant.Code](q *Requantizer, dst []T) *gemm.IntCodes {
	if !q.small || !isRange[T](q.lo, q.hi) || q.channels == 0 {
		return nil
	}
	e := &q.made
	e.Add, e.Factor, e.Dst, e.Stride = q.add, q.factor, bytesOf(dst), q.channels
	if signed[T]() {
		e.Bounds(q.zero+128, q.lo+128, q.hi+128, 0x80)
	} else {
		e.Bounds(q.zero, q.lo, q.hi, 0)
	}
	return e
}

// isRange reports whether lo and hi are codes.
func isRange[T quant.Code](lo, hi int32) bool { return int32(T(lo)) == lo && int32(T(hi)) == hi }

// wordy reports whether codes and zero point fit the 16-bit lanes of the
// vectors, so that a number that does not is beyond all codes.
func wordy(zero, lo, hi int32) bool {
	const end = math.MaxInt16 / 4
	return -end <= lo && lo <= hi && hi <= end && -end <= zero && zero <= end
}

// DequantizeBlock is [DequantizeSums] for a block of the sums of a product;
// dst is the whole result.
func DequantizeBlock(dst []float32, b gemm.IntBlock, add []int32, scale, bias []float32, channels int) {
	reach(channels, len(add), len(scale), len(bias))
	if b.From == 0 && b.To == channels && b.Stride == channels {
		DequantizeSums(dst[b.Lo*channels:b.Hi*channels], b.Acc[:(b.Hi-b.Lo)*channels], add, scale, bias, channels)
		return
	}
	if b.Hi == b.Lo || b.To == b.From {
		return
	}
	done := dequantizeBlock(dst[b.Lo*channels+b.From:], channels, b, add, scale, bias)
	if done == b.To-b.From {
		return
	}
	for r := b.Lo; r < b.Hi; r++ {
		y, row := dst[r*channels+b.From:][:b.To-b.From], b.Row(r)
		f, s, o := add[b.From:], scale[b.From:], bias[b.From:]
		for i := done; i < len(row); i++ {
			y[i] = float32(float32(row[i]+f[i])*s[i]) + o[i]
		}
	}
}
