package backend

import (
	"math"
	"math/bits"

	"github.com/goqat/goqat/tensor"
)

// MostCollected bounds the sums a of products of codes about which moments
// are collected: |a| <= MostCollected, so that 128 squares of them fit a
// uint64.
const MostCollected = 1 << 28

// MomentsFit reports whether sums of k products of an x and a w of these
// ranges, both ends included, are surely within [MostCollected].
func MomentsFit(k int, x, w [2]int32) bool {
	return int64(k) <= MostCollected/(magnitude(x)*magnitude(w))
}

// MostSum returns what the absolute values of sums are within that [MomentsFit].
func MostSum(k int, x, w [2]int32) int { return k * int(magnitude(x)*magnitude(w)) }

// magnitude returns the greatest |v| of v in span, at least 1.
func magnitude(span [2]int32) int64 { return max(-int64(span[0]), int64(span[1]), 1) }

// CollectsMoments reports whether layers on codes with an input x and weights
// w [o, ...], whose zero point is 0, may collect moments ([CollectMoments]):
// whether [MomentsFit]. Where it is false every backend refuses to, so that
// all of them find moments in the same way.
func CollectsMoments(x, w tensor.Spec) bool {
	if len(w.Shape) == 0 {
		return false
	}
	return MomentsFit(w.Shape[1:].Numel(), CodeSpan(x.DType, true), CodeSpan(w.DType, false))
}

// CodeMoments are exact sums over the int32 sums a of products of codes, zero
// points taken off, that a channel of a layer consists of. Integers have the
// same sums in any order, so that moments have the same bits on every device.
// With at most 1<<32 numbers within [MostCollected] nothing overflows.
type CodeMoments struct {
	Sum       int64  // of a
	Low, High uint64 // of the low and of the high 32 bits of a*a; High<<32 + Low counts
	Least     int32  // a, math.MaxInt32 of no number
	Most      int32  // a, math.MinInt32 of no number
}

// NoCodeMoments returns the moments of no number.
func NoCodeMoments() CodeMoments {
	return CodeMoments{Least: math.MaxInt32, Most: math.MinInt32}
}

// Add takes a in.
func (m *CodeMoments) Add(a int32) {
	square := uint64(int64(a) * int64(a))
	m.Sum += int64(a)
	m.Low += square & math.MaxUint32
	m.High += square >> 32
	m.Least, m.Most = min(m.Least, a), max(m.Most, a)
}

// Merge takes in what o has taken in.
func (m *CodeMoments) Merge(o CodeMoments) {
	m.Sum += o.Sum
	m.Low += o.Low
	m.High += o.High
	m.Least, m.Most = min(m.Least, o.Least), max(m.Most, o.Most)
}

// Of returns the moments of the results y(a) = float32(float32(a) * scale) +
// bias, where rows numbers a have been taken in:
//
//	D        = rows * S2 - S1 * S1    exactly, S2 = High<<32 + Low, S1 = Sum
//	d        = float64(D >> 64) * 0x1p64 + float64(D & (1<<64 - 1))
//	mean     = float64(scale) * (float64(S1) / float64(rows)) + float64(bias)
//	variance = d / float64(rows) / float64(rows) * (float64(scale) * float64(scale))
//
// every operation rounded once. least is y(Least) and greatest y(Most), or,
// where y(Most) < y(Least), the other way round. No rows have 0, 0, +Inf and
// -Inf. Where scale, bias or one of these two y is not finite, mean and
// variance are NaN, and least and greatest may be any number.
func (m CodeMoments) Of(rows int, scale, bias float32) (mean, variance float64, least, greatest float32) {
	if rows == 0 {
		return 0, 0, float32(math.Inf(1)), float32(math.Inf(-1))
	}
	least = float32(float32(m.Least)*scale) + bias
	greatest = float32(float32(m.Most)*scale) + bias
	if !finite(scale) || !finite(bias) || !finite(least) || !finite(greatest) {
		return math.NaN(), math.NaN(), least, greatest
	}
	if greatest < least {
		least, greatest = greatest, least
	}
	n, s := float64(rows), float64(scale)
	mean = float64(s*(float64(m.Sum)/n)) + float64(bias)
	return mean, m.spread(rows) / n / n * float64(s*s), least, greatest
}

// spread returns d of Of.
func (m CodeMoments) spread(rows int) float64 {
	// S2 has 88 bits, rows * S2 no more than 128.
	square, carry := bits.Add64(m.High<<32, m.Low, 0)
	over := m.High>>32 + carry
	hi, lo := bits.Mul64(square, uint64(rows))
	hi += over * uint64(rows)
	sum := uint64(max(m.Sum, -m.Sum))
	hi2, lo2 := bits.Mul64(sum, sum)
	lo, borrow := bits.Sub64(lo, lo2, 0)
	hi, _ = bits.Sub64(hi, hi2, borrow)
	return float64(float64(hi)*0x1p64) + float64(lo)
}

func finite(v float32) bool { return v-v == 0 }
