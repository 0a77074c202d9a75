package quant

import (
	"fmt"
	"math"
)

// A histogram is its counts and its ends, ends[0] and ends[1]: bin i holds
// the x with
//
//	ends[0] + i*w <= x < ends[0] + (i+1)*w,    w = (ends[1]-ends[0]) / bins
//
// The width w is a power of two and the ends are multiples of it, so that all
// arithmetic on edges is exact. Bins are numbered from 0 here and by g =
// floor(x/w), the grid number, inside; doubling the width halves g.

// BinWidth returns the width of a bin and the grid number of bin 0; ok is
// false when the ends are not those of a histogram that has seen values.
func BinWidth(ends []float32, bins int) (width float32, first int, ok bool) {
	if bins < 2 || len(ends) != 2 || !(ends[0] < ends[1]) || !(ends[0] <= 0) {
		return 0, 0, false
	}
	w := (float64(ends[1]) - float64(ends[0])) / float64(bins)
	g := float64(ends[0]) / w
	frac, _ := math.Frexp(w)
	if frac != 0.5 || math.IsInf(w, 0) || g != math.Floor(g) || g <= -float64(bins) {
		return 0, 0, false
	}
	return float32(w), int(g), true
}

// GrowHistogram makes room for values in [min, max], which it first widens to
// hold 0: the width becomes the smallest power of two for which the bins
// cover all values so far and the new ones. Counts of bins that become one
// are added. So the histogram of a set of values is the same in whatever
// order they came and however they were cut into batches. Ends with
// ends[0] >= ends[1] have seen nothing, and the counts are cleared.
//
// It fails with [ErrNaN] when min or max is NaN, and with [ErrRange] when one
// is infinite, when an end of the bins would be, and when counts and ends
// are not a histogram. Then it changes nothing.
func GrowHistogram(counts []int64, ends []float32, min, max float32) error {
	n := len(counts)
	switch {
	case min != min || max != max:
		return fmt.Errorf("%w: range [%v, %v]", ErrNaN, min, max)
	case math.IsInf(float64(min), 0) || math.IsInf(float64(max), 0) || min > max:
		return fmt.Errorf("%w: range [%v, %v]", ErrRange, min, max)
	case n < 2 || len(ends) != 2:
		return fmt.Errorf("%w: histogram of %d bins and %d ends", ErrRange, n, len(ends))
	}
	seen := ends[0] < ends[1]
	w, first, top := smallestNormal, 0, 0
	if seen {
		width, g, ok := BinWidth(ends, n)
		if !ok {
			return fmt.Errorf("%w: [%v, %v] are not the ends of %d bins", ErrRange, ends[0], ends[1], n)
		}
		w, first, top = float64(width), g, g
		for i, c := range counts {
			if c != 0 {
				top = g + i
			}
		}
	}
	// Quotients by powers of two are exact, and those above 2^63 are still
	// right to compare: the width then doubles.
	bottom, shift := first, 0
	var a, b float64
	for {
		a = math.Min(float64(bottom), math.Floor(math.Min(float64(min), 0)/w))
		b = math.Max(float64(top), math.Floor(math.Max(float64(max), 0)/w))
		b = math.Max(b, 0)
		if b-a < float64(n) {
			break
		}
		w, bottom, top, shift = w*2, bottom>>1, top>>1, shift+1
	}
	lo, hi := float32(a*w), float32((a+float64(n))*w)
	if math.IsInf(float64(lo), 0) || math.IsInf(float64(hi), 0) {
		return fmt.Errorf("%w: range [%v, %v] is too wide for a histogram", ErrRange, min, max)
	}
	if seen {
		mergeBins(counts, first, shift, bottom-int(a))
	} else {
		clear(counts)
	}
	ends[0], ends[1] = lo, hi
	return nil
}

// mergeBins adds the counts of bins whose grid numbers agree after a right
// shift, the first of which was first, and then moves all up by move bins.
func mergeBins(counts []int64, first, shift, move int) {
	if shift > 0 {
		for i, c := range counts {
			counts[i] = 0
			if c != 0 {
				counts[(first+i)>>shift-first>>shift] += c
			}
		}
	}
	if move > 0 {
		copy(counts[move:], counts[:len(counts)-move])
		clear(counts[:move])
	}
}

// CountHistogram adds the values of x to the counts. The ends must have been
// grown to hold them; a value outside counts in the nearest bin, a NaN in the
// last.
func CountHistogram(counts []int64, ends []float32, x []float32) {
	w, first, ok := BinWidth(ends, len(counts))
	if !ok {
		return
	}
	inv, last := 1/w, len(counts)-1
	bottom, top := float32(first), float32(first+len(counts))
	for _, v := range x {
		t := v * inv
		switch {
		case !(t < top):
			counts[last]++
		case t < bottom:
			counts[0]++
		default:
			// Truncation is one too many when its result is above t. Signs
			// are random, so a bit is subtracted rather than tested: that of
			// above > 0, which is never -0.
			g := int32(t)
			above := int32(math.Float32bits(float32(g) - t))
			counts[int(g-int32(uint32(-above)>>31))-first]++
		}
	}
}
