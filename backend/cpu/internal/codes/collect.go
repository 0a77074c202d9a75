package codes

import (
	"math"

	"github.com/goqat/goqat/backend/cpu/internal/gemm"
)

// ColumnMoments are what [DequantizeMoments] finds out about the columns of a
// block: an entry a column, the first being the first of the block.
type ColumnMoments struct {
	Shift       []float32 // taken off before squaring
	Sum, Square []float64 // of y - Shift, and of its square
	Least, Most []float32
}

// Begin makes m, all of whose columns b has, what is known before b, the first
// block: nothing. The shift is the row in the middle of b, which comes from
// what is summed, so that the squares of numbers far from zero do not cancel.
func (m *ColumnMoments) Begin(b gemm.IntBlock, add []int32, scale, bias []float32, channels int) {
	n := b.To - b.From
	if n == 0 || b.Lo == b.Hi {
		return
	}
	reach(channels, len(add), len(scale), len(bias))
	b.Acc, b.Hi = b.Acc[(b.Hi-b.Lo)/2*b.Stride:], b.Lo+1
	shift := m.Shift[:n]
	for i := dequantizeBlock(shift, channels, b, add, scale, bias); i < n; i++ {
		shift[i] = float32(float32(b.Acc[i]+add[b.From+i])*scale[b.From+i]) + bias[b.From+i]
	}
	clear(m.Sum[:n])
	clear(m.Square[:n])
	NoEnds(m.Least[:n], m.Most[:n])
}

// NoEnds makes ends those of no number.
func NoEnds(least, most []float32) {
	most = most[:len(least)]
	for j := range least {
		least[j], most[j] = float32(math.Inf(1)), float32(math.Inf(-1))
	}
}

// collected is the number of columns whose sums fit local memory.
const collected = 64

// DequantizeMoments is [DequantizeBlock] that adds the sums of the block to
// those of m, each summed down its column in float32 first, and widens the
// ends. A NaN makes the sums NaN and may make the ends any of the others.
func DequantizeMoments(dst []float32, b gemm.IntBlock, add []int32, scale, bias []float32, channels int, m ColumnMoments) {
	n, rows := b.To-b.From, b.Hi-b.Lo
	if n == 0 || rows == 0 {
		return
	}
	reach(channels, len(add), len(scale), len(bias))
	m = ColumnMoments{m.Shift[:n], m.Sum[:n], m.Square[:n], m.Least[:n], m.Most[:n]}
	if dequantizeMoments(dst[b.Lo*channels+b.From:], channels, b, add, scale, bias, &m) {
		return
	}
	DequantizeBlock(dst, b, add, scale, bias, channels)
	y := dst[b.Lo*channels+b.From : (b.Hi-1)*channels+b.To]
	for c := 0; c < n; c += collected {
		var sum, square, least, most [collected]float32
		k := min(n-c, collected)
		MomentsOfColumns(y[c:], rows, channels, m.Shift[c:c+k], sum[:], square[:], least[:], most[:])
		for j := range k {
			m.Sum[c+j] += float64(sum[j])
			m.Square[c+j] += float64(square[j])
			if least[j] < m.Least[c+j] {
				m.Least[c+j] = least[j]
			}
			if most[j] > m.Most[c+j] {
				m.Most[c+j] = most[j]
			}
		}
	}
}

// DequantizeEnds is [DequantizeBlock] that widens the ends of each column,
// the first entry being that of the first column of the block. A NaN makes
// both NaN, and they stay so.
func DequantizeEnds(dst []float32, b gemm.IntBlock, add []int32, scale, bias []float32, channels int, least, most []float32) {
	n, rows := b.To-b.From, b.Hi-b.Lo
	if n == 0 || rows == 0 {
		return
	}
	reach(channels, len(add), len(scale), len(bias))
	least, most = least[:n], most[:n]
	if dequantizeEnds(dst[b.Lo*channels+b.From:], channels, b, add, scale, bias, least, most) {
		return
	}
	DequantizeBlock(dst, b, add, scale, bias, channels)
	y := dst[b.Lo*channels+b.From : (b.Hi-1)*channels+b.To]
	for c := 0; c < n; c += collected {
		var shift, sum, square, lows, highs [collected]float32
		k := min(n-c, collected)
		MomentsOfColumns(y[c:], rows, channels, shift[:k], sum[:], square[:], lows[:], highs[:])
		for j := range k {
			if sum[j] != sum[j] { // A NaN, or both infinities.
				lows[j], highs[j] = y[c+j], y[c+j]
				for r := range rows {
					v := y[r*channels+c+j]
					lows[j], highs[j] = min(lows[j], v), max(highs[j], v)
				}
			}
			least[c+j], most[c+j] = min(least[c+j], lows[j]), max(most[c+j], highs[j])
		}
	}
}
