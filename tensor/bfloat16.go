package tensor

import "math"

// BFloat16 is a number of type BF16: the upper half of a float32, which has
// its range and eight digits.
type BFloat16 uint16

// ToBFloat16 returns the bfloat16 nearest to v, ties to even; subnormal
// numbers are kept, and beyond the range it is an infinity. A NaN stays one,
// made quiet.
func ToBFloat16(v float32) BFloat16 {
	u := math.Float32bits(v)
	if v != v {
		return BFloat16(u>>16 | 0x40)
	}
	return BFloat16((u + 0x7fff + u>>16&1) >> 16)
}

// ToBFloat16F64 is [ToBFloat16] of a float64, rounded once.
func ToBFloat16F64(v float64) BFloat16 {
	f := float32(v)
	// Rounding twice errs where the float32 is a tie that v is not: then the
	// last digit of the float32 is made odd on v's side of it.
	if u := math.Float32bits(f); u&0xffff == 0x8000 && float64(f) != v {
		if (float64(f) < v) == (v > 0) {
			u++
		} else {
			u--
		}
		f = math.Float32frombits(u)
	}
	return ToBFloat16(f)
}

// Float32 returns the number as a float32, exactly.
func (b BFloat16) Float32() float32 { return math.Float32frombits(uint32(b) << 16) }

// WidenBF16 writes the numbers of src to dst, which must be as long, exactly.
func WidenBF16(dst []float32, src []BFloat16) {
	dst = dst[:len(src)]
	for i, v := range src {
		dst[i] = v.Float32()
	}
}

// NarrowBF16 writes [ToBFloat16] of the numbers of src to dst, which must be
// as long.
func NarrowBF16(dst []BFloat16, src []float32) {
	dst = dst[:len(src)]
	for i, v := range src {
		dst[i] = ToBFloat16(v)
	}
}
