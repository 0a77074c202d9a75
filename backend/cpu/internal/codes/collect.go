package codes

import (
	"math"

	"github.com/goqat/goqat/backend/cpu/internal/gemm"
)

// ColumnMoments are what [DequantizeMoments] finds out about the columns of
// blocks, as backend.CodeMoments: an entry a column, the first being the
// first of the block.
type ColumnMoments struct {
	Sum         []int64
	Low, High   []int64 // the bits of uint64
	Least, Most []int32
}

// Columns returns those of columns [from, to).
func (m *ColumnMoments) Columns(from, to int) ColumnMoments {
	return ColumnMoments{m.Sum[from:to], m.Low[from:to], m.High[from:to], m.Least[from:to], m.Most[from:to]}
}

// Clear makes m those of no number.
func (m *ColumnMoments) Clear() {
	clear(m.Sum)
	clear(m.Low)
	clear(m.High)
	for j := range m.Least {
		m.Least[j] = math.MaxInt32
	}
	for j := range m.Most {
		m.Most[j] = math.MinInt32
	}
}

// Merge takes in the same columns of o.
func (m *ColumnMoments) Merge(o *ColumnMoments) {
	n := len(m.Sum)
	sum, low, high, least, most := o.Sum[:n], o.Low[:n], o.High[:n], o.Least[:n], o.Most[:n]
	for j := range n {
		m.Sum[j] += sum[j]
		m.Low[j] += low[j]
		m.High[j] += high[j]
		m.Least[j], m.Most[j] = min(m.Least[j], least[j]), max(m.Most[j], most[j])
	}
}

// NoEnds makes ends those of no number.
func NoEnds(least, most []float32) {
	most = most[:len(least)]
	for j := range least {
		least[j], most[j] = float32(math.Inf(1)), float32(math.Inf(-1))
	}
}

// DequantizeMoments is [DequantizeBlock] that takes into m the sums a = acc+add
// of the block, all of which are within bound, at most 1<<28.
func DequantizeMoments(dst []float32, b gemm.IntBlock, add []int32, scale, bias []float32, channels, bound int, m ColumnMoments) {
	n := b.To - b.From
	if n == 0 || b.Hi == b.Lo {
		return
	}
	reach(channels, len(add), len(scale), len(bias))
	m = m.Columns(0, n)
	// As many rows at a time as have sums of 32 bits; those of squares then
	// have 64.
	rows := math.MaxInt32 / max(bound, 1)
	done := dequantizeMoments(dst[b.Lo*channels+b.From:], channels, rows, b, add, scale, bias, &m)
	if done == n {
		return
	}
	b.From, b.Acc = b.From+done, b.Acc[done:]
	DequantizeBlock(dst, b, add, scale, bias, channels)
	for c, f := range add[b.From:b.To] {
		j := done + c
		for r := 0; r < b.Hi-b.Lo; r += rows {
			var sum int64
			var square uint64
			least, most := m.Least[j], m.Most[j]
			for i := r; i < min(r+rows, b.Hi-b.Lo); i++ {
				a := b.Acc[i*b.Stride+c] + f
				sum += int64(a)
				square += uint64(int64(a) * int64(a))
				least, most = min(least, a), max(most, a)
			}
			m.Sum[j] += sum
			m.Low[j] += int64(square & math.MaxUint32)
			m.High[j] += int64(square >> 32)
			m.Least[j], m.Most[j] = least, most
		}
	}
}

// collected is the number of columns whose ends fit local memory.
const collected = 64

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
