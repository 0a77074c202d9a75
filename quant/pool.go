package quant

import "math"

// AvgPoolCode returns the code of the mean of count codes of sum sum, when
// input and output share scale and zero point, and whether the integer before
// clamping lies in [lo, hi]; the clamped zero point and false when count < 1.
//
//	RequantFloat  rne(float32(sum - count*zero) / float32(count)) + zero
//	otherwise     (sum + count/2) / count for sum > 0, else (sum - count/2) / count,
//	              truncating, on the codes themselves: TFLite AVERAGE_POOL_2D
//
// The first rounds as the rule does; dequantize, average and quantize give
// the same except where float32 noise decides a tie.
func (r Rule) AvgPoolCode(sum int32, count int, zero, lo, hi int32) (code int32, inRange bool) {
	if count < 1 {
		return min(max(zero, lo), hi), false
	}
	n, s := int64(count), int64(sum)
	var v int64
	switch {
	case r.Requant == RequantFloat:
		t := float64(float32(s-n*int64(zero)) / float32(n))
		if r.Rounding == HalfAway {
			t = math.Round(t)
		} else {
			t = math.RoundToEven(t)
		}
		v = int64(t) + int64(zero)
	case s > 0:
		v = (s + n/2) / n
	default:
		v = (s - n/2) / n
	}
	return int32(min(max(v, int64(lo)), int64(hi))), v >= int64(lo) && v <= int64(hi)
}
